/** Every way a program can end without closing its log. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { programOf } from "../conformance/processes.ts";
import { reopen, texts, useDirectory } from "../helpers.ts";
import { CURRENT } from "./children.ts";

const SCRIPT = fileURLToPath(new URL("./exit/life.ts", import.meta.url));
const ARGUMENTS = CURRENT === "deno" ? ["run", "--quiet", "--no-check", "--allow-all"] : [];
const LIFE_MS = 20_000;

/** Runs one life; answers its output, and how it ended. */
async function live(directory: string, ending: string): Promise<{ lines: string[]; end: string }> {
  const child = spawn(programOf(CURRENT)!, [...ARGUMENTS, SCRIPT, directory, ending], {
    stdio: ["ignore", "pipe", "ignore"],
    env: { ...process.env, NO_COLOR: "1" },
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), LIFE_MS);
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
    if (ending.startsWith("SIG") && output.includes("ready\n")) process.kill(child.pid!, ending as NodeJS.Signals);
  });
  const end = await new Promise<string>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve(String(signal ?? code)));
  });
  clearTimeout(timer);
  return { lines: output.trimEnd().split("\n"), end };
}

const signals = process.platform === "win32" ? [] : ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGKILL"];

describe(`a program on ${CURRENT} that ends without closing its log`, () => {
  for (const ending of ["exit", "throw", "reject", "top-level throw", ...signals]) {
    it(`loses nothing that was acknowledged, and its lock is free: ${ending} [fault 60]`, () =>
      useDirectory(async (parent) => {
        const directory = join(parent, "log");
        const { lines, end } = await live(directory, ending);
        assert.deepEqual(lines, ["ack 0 100", "ack 1 100", "ready"]);
        // Deno ends itself at some signals and then has an exit code.
        assert.notEqual(end, "0");
        await reopen(directory, {}, async (log) => {
          for (const { shard, verdict } of log.recovery) {
            assert.equal(verdict, "clean");
            const values = await texts(log.read({ shard }));
            // Runtimes call no handler at these ends, so what was in memory only is gone: the documented loss.
            assert.deepEqual(values, Array.from({ length: 100 }, (_, i) => `${shard}:${i}`));
          }
        });
      }));
  }
});
