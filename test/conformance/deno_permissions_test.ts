/** Deno with no other permission than to read and write one directory. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { programOf, TestProcess, whySkipped } from "./processes.ts";
import { useDirectory } from "./subject.ts";

describe("Deno with --allow-read=DIR --allow-write=DIR", () => {
  it(
    "does everything in the directory and knows no instance",
    { skip: whySkipped("deno") },
    () =>
      useDirectory(async (directory) => {
        const script = fileURLToPath(new URL("./restricted.ts", import.meta.url));
        const permissions = [`--allow-read=${directory}`, `--allow-write=${directory}`];
        const args = ["run", "--quiet", "--no-prompt", ...permissions, script, directory];
        const { stdout, stderr, exitCode } = await new TestProcess(programOf("deno") ?? "deno", args).ended;
        assert.equal(exitCode, 0, stderr);
        assert.equal(stderr, "");
        const { runtime, pid, outside, ...outcome } = JSON.parse(stdout);
        assert.match(runtime, /^deno \d+\.\d+\.\d+/);
        assert.ok(Number.isSafeInteger(pid) && pid >= 0);
        assert.match(outside, /^PERMISSION Cannot open .*--allow-write/);
        assert.deepEqual(outcome, {
          "wrote 100": true,
          "wrote 1000000": true,
          names: ["b", "lock"],
          left: 0,
          refusedLock: "BUSY",
          instance: { bootId: "", mountId: "" },
        });
      }),
  );
});
