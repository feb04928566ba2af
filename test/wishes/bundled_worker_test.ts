/** A program whose main thread and worker were bundled runs where no package is installed: no worker file gets lost (pino 1465). */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { useDirectory } from "../helpers.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const BINARIES = join(ROOT, "node_modules/.bin");
const LIFE_MS = 60_000;

const MAIN = `
import { Worker } from "node:worker_threads";
import { openLog } from "${join(ROOT, "mod.ts")}";

const log = await openLog(process.argv[2]);
const worker = new Worker(new URL("./worker.js", import.meta.url), { workerData: log.producer() });
await new Promise((resolve, reject) => worker.once("exit", resolve).once("error", reject));
let count = 0;
for await (const record of log.read()) if (record.text() === "from the worker") count++;
await log.close();
console.log(count);
`;
const WORKER = `
import { workerData } from "node:worker_threads";
import { connectProducer } from "${join(ROOT, "producer.ts")}";

const producer = connectProducer(workerData);
for (let i = 0; i < 100; i++) producer.tryAppend({ value: "from the worker" });
await producer.close();
`;

const SOURCES = ["main.ts", "worker.ts"];
const BUNDLERS: Readonly<Record<string, readonly string[]>> = {
  esbuild: ["--bundle", "--format=esm", "--platform=node", "--outdir=out", "--log-level=warning"],
  bun: ["build", "--target=node", "--outdir=out"],
};
const PROGRAMS: readonly (readonly string[])[] = [["node"], ["bun"], ["deno", "run", "--quiet", "--no-check", "-A"]];

const skip = "Bun" in globalThis || "Deno" in globalThis ? "it runs on Node, which starts all three runtimes" : false;

describe("a bundled program with a worker", () => {
  for (const [bundler, options] of Object.entries(BUNDLERS)) {
    it(`of ${bundler} runs on every runtime without the package`, { skip }, async () => {
      await useDirectory(async (directory) => {
        const run = async ([program, ...args]: readonly string[]): Promise<string> => {
          const options = { cwd: directory, timeout: LIFE_MS };
          return (await promisify(execFile)(join(BINARIES, program), args, options)).stdout;
        };
        writeFileSync(join(directory, "main.ts"), MAIN);
        writeFileSync(join(directory, "worker.ts"), WORKER);
        await run([bundler, ...options, ...SOURCES]);
        const out = join(directory, "out");
        assert.deepEqual(readdirSync(out).sort(), ["main.js", "worker.js"]);
        writeFileSync(join(out, "package.json"), JSON.stringify({ type: "module" }));
        for (const program of PROGRAMS) {
          const data = join(directory, `data-${program[0]}`);
          mkdirSync(data);
          assert.equal((await run([...program, join(out, "main.js"), data])).trim(), "100", program[0]);
        }
      });
    });
  }
});
