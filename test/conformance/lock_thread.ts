/** Tries once to take the lock that it is told about, in a thread, and answers with the outcome. */
import { parentPort, workerData } from "node:worker_threads";
import { runtimeVfs } from "../../adapters/runtime.ts";
import { VfsError } from "../../src/vfs.ts";

try {
  const lock = await runtimeVfs().lock(workerData as string, "exclusive");
  await lock.release();
  parentPort?.postMessage("held");
} catch (error) {
  parentPort?.postMessage(error instanceof VfsError ? error.code : String(error));
}
