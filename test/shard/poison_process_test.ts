import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { reopen, texts, useDirectory } from "../helpers.ts";
import { run } from "../runtimes/children.ts";

describe("a disk that breaks behind a program that waits for nothing", () => {
  for (const breaks of ["write", "sync"]) {
    it(`raises no unhandled rejection and lets the process end: failed ${breaks}`, () =>
      useDirectory(async (directory) => {
        // Every runtime ends a process with a failure at an unhandled rejection, and `run` fails then.
        const report = await run("poisoned.ts", { directory, breaks });
        assert.deepEqual(report, { unhandled: 0, reported: 1, state: "poisoned" });
        await reopen(directory, {}, async (log) => {
          assert.equal((await texts(log.read()))[0], "kept");
        });
      }));
  }
});
