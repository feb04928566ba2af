/**
 * Checks what a user gets: packs the package, lints the pack, installs it into an empty folder and uses it
 * there from all three runtimes and from TypeScript. Expects `dist/` to be built.
 */
import { execFileSync } from "node:child_process";
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import process from "node:process";

const root = join(import.meta.dirname, "..");
const binaries = join(root, "node_modules/.bin");
const scratch = mkdtempSync(join(tmpdir(), "bimiplog-package-"));
const PUBLISHED = /^(dist\/.+\.(js|d\.ts)|docs\/.+|package\.json|README\.md|CHANGELOG\.md|LICENSE)$/;

/** A user's first program: it needs the built code and nothing else. */
const CONSUMER = `
import { openLog, BACKPRESSURE, LogError } from "@bimip/log";
import type { Log, LogRecord } from "@bimip/log";
import { connectConsumer } from "@bimip/log/consumer";
import { connectProducer } from "@bimip/log/producer";
import { CrashError, openMemoryLog } from "@bimip/log/testing";

const log: Log = await openLog(process.argv[2]);
const { offset } = await log.append({ key: "alice", value: "hi" });
const records: LogRecord[] = [];
for await (const record of log.read({ shard: 0, from: 0 })) records.push(record);
const producer = connectProducer(log.producer());
if (producer.tryAppend({ value: "there" }) !== 0) throw new Error("unexpected ticket");
await producer.close();
await log.close();
if (offset !== 0 || records[0].text() !== "hi" || typeof BACKPRESSURE !== "symbol") throw new Error("unexpected");

const memory: Log = await openMemoryLog();
const again = await (await openMemoryLog()).crash("power");
await memory.close();
await again.close();
if (!(new CrashError("") instanceof LogError)) throw new Error("two copies of the errors");

// A handle of a cluster loads more of the package. No broker is there.
const cluster = { brokers: "127.0.0.1:1", topic: "t", patienceMs: 0 };
const content = { name: "c", cluster, partitions: 1, group: {}, block: new SharedArrayBuffer(4096) };
const consumer = connectConsumer({ kind: "bimiplog-consumer", version: 2, content });
const refused: unknown = await consumer.lag().catch((error: unknown) => error);
if (!(refused instanceof LogError && refused.code === "IO")) throw new Error("expected IO: " + String(refused));
await consumer.close();
declare const process: { argv: string[] };
`;

interface Manifest {
  version: string;
  bin: Record<string, string>;
  dependencies?: Record<string, string>;
}

interface PackedFile {
  path: string;
  mode: number;
}

function run(command: string, args: string[], cwd: string): string {
  const env = { ...process.env, PATH: binaries + delimiter + process.env.PATH };
  return execFileSync(command, args, { cwd, env, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
}

function readJson<T>(path: string): T {
  return JSON.parse(readFileSync(join(root, path), "utf8")) as T;
}

function step(what: string, action: () => void): void {
  action();
  console.log(`ok ${what}`);
}

try {
  const manifest = readJson<Manifest>("package.json");
  const main = join(root, manifest.bin.bimiplog);
  const [packed] = JSON.parse(
    run("npm", ["pack", "--ignore-scripts", "--json", "--pack-destination", scratch], root),
  ) as [{ filename: string; files: PackedFile[] }];
  const tarball = join(scratch, packed.filename);

  step("the pack holds the built code, the documents and nothing else", () => {
    const paths = packed.files.map(({ path }) => path);
    assert.deepEqual(paths.filter((path) => !PUBLISHED.test(path)), []);
    for (
      const needed of [
        "LICENSE",
        "README.md",
        "CHANGELOG.md",
        "dist/mod.js",
        "dist/mod.d.ts",
        "dist/producer.js",
        "dist/producer.d.ts",
        "dist/consumer.js",
        "dist/consumer.d.ts",
        "dist/testing.js",
        "dist/testing.d.ts",
        manifest.bin.bimiplog,
      ]
    ) {
      assert.ok(paths.includes(needed), `${needed} is not in the pack`);
    }
  });
  step("no runtime dependency", () => assert.deepEqual(Object.keys(manifest.dependencies ?? {}), []));
  step("publint", () => run("publint", ["--strict", "--pack", "false"], root));
  step("types resolve for every ES module consumer", () => run("attw", ["--profile", "esm-only", tarball], root));

  step("package.json, deno.json and the command agree on the version", () => {
    assert.equal(readJson<Manifest>("deno.json").version, manifest.version);
    assert.ok(statSync(main).mode & 0o100, "bimiplog is not executable");
    const commands: [string, string[]][] = [["node", []], ["bun", []], ["deno", ["run", "-A"]]];
    for (const [runtime, args] of commands) {
      const output = run(runtime, [...args, main, "--version"], scratch).trim();
      assert.equal(output.split(" ").at(-1), manifest.version, `bimiplog --version on ${runtime} says "${output}"`);
    }
  });

  const project = join(scratch, "project");
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), JSON.stringify({ private: true, type: "module" }));
  writeFileSync(join(project, "consumer.ts"), CONSUMER);
  step("it installs without a registry and its command starts", () => {
    run("npm", ["install", "--offline", "--no-audit", "--no-fund", "--loglevel=error", tarball], project);
    assert.ok(run("npx", ["--no-install", "bimiplog", "--version"], project).includes(manifest.version));
  });
  step("a TypeScript consumer compiles, the declarations checked too", () => {
    const options = ["--strict", "--module", "nodenext", "--target", "es2024", "--lib", "esnext,dom", "--types", ""];
    run("tsc", [...options, "--skipLibCheck", "false", "consumer.ts"], project);
  });
  for (const [runtime, args] of [["node", []], ["bun", []], ["deno", ["run", "-A"]]] as [string, string[]][]) {
    step(`a compiled consumer runs on ${runtime}`, () => {
      run(runtime, [...args, "consumer.js", join(scratch, `log-${runtime}`)], project);
    });
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
