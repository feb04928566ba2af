/**
 * Loaded into Node before a test file: leaves out the hook with which `node:test` follows every promise there is.
 *
 * The hook tells to which test an error belongs that nobody caught. It makes code that lives on promises two to three times
 * as slow, simulations most of all. Without it such an error ends the whole file, which counts as failed.
 */
import asyncHooks from "node:async_hooks";
import process from "node:process";
import { isMainThread } from "node:worker_threads";

const { createHook } = asyncHooks;

// The first hook in the process is that of `node:test`. A thread that a test starts loads this file too, but has none.
if (isMainThread) {
  asyncHooks.createHook = () => {
    asyncHooks.createHook = createHook;
    return createHook({});
  };
  const fail = (error: unknown): void => {
    console.error("Nobody caught", error);
    process.exit(1);
  };
  process.on("uncaughtException", fail);
  process.on("unhandledRejection", fail);
}
