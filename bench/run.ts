/**
 * `npm run bench`: every figure on every runtime, in turn, on the same disk. Writes JSON, Markdown and one HTML page.
 *
 * Figures that take minutes run only where `--figures` names them; `npm run bench -- --list` says which there are.
 *
 * npm run bench -- [--dir DIR] [--figures a,b] [--runtimes node,bun,deno] [--pairs N] [--scale X] [--out DIR]
 *
 * @module
 */
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { figures } from "./figures/all.ts";
import { describeMachine } from "./machine.ts";
import type { Outcome } from "./pairs.ts";
import { basisText, consoleLines, htmlPage, markdownTables, type Report } from "./report.ts";

const START: Readonly<Record<string, readonly string[]>> = { node: [], bun: ["run"], deno: ["run", "--quiet", "-A"] };
const TIME_LIMIT_MS = 20 * 60_000;
const NAMED_TIME_LIMIT_MS = 3 * 60 * 60_000;

const { values } = parseArgs({
  options: {
    dir: { type: "string", default: os.tmpdir() },
    figures: { type: "string", default: figures.filter((f) => f.isOnlyNamed !== true).map((f) => f.name).join(",") },
    runtimes: { type: "string", default: Object.keys(START).join(",") },
    pairs: { type: "string", default: "5" },
    scale: { type: "string", default: "1" },
    out: { type: "string" },
    list: { type: "boolean", default: false },
  },
});

if (values.list) {
  for (const figure of figures) {
    console.log(`${figure.name.padEnd(20)} ${figure.title}${figure.isOnlyNamed === true ? " (only where named)" : ""}`);
  }
  process.exit(0);
}

const chosen = values.figures.split(",").map((name) => {
  const figure = figures.find((figure) => figure.name === name);
  if (figure === undefined) {
    throw new RangeError(`there is no figure ${name}; there are ${figures.map((f) => f.name).join(", ")}`);
  }
  return figure;
});
/** Node and Bun get the library from npm, built; Deno gets its sources. */
const built: Readonly<Record<string, string>> = chosen.some((figure) => figure.isOfPackage === true)
  ? buildPackage()
  : {};
const directory = mkdtempSync(join(values.dir, "bimiplog-bench-"));
const outcomes: Outcome[] = [];
let failed = false;
try {
  for (const figure of chosen) {
    const messages = Math.max(1000, Math.round(figure.messages * Number(values.scale)));
    console.log(`\n${figure.title}\n  ${basisText(figure)}; ${messages.toLocaleString("en")} messages a run`);
    const limitMs = figure.isOnlyNamed === true ? NAMED_TIME_LIMIT_MS : TIME_LIMIT_MS;
    for (const runtime of values.runtimes.split(",")) {
      const outcome = await measure(runtime, [figure.name, directory, String(messages), values.pairs], limitMs);
      if (outcome === undefined) {
        failed = true;
        continue;
      }
      outcomes.push(outcome);
      for (const line of consoleLines(figure, outcome)) console.log(`  ${line}`);
    }
  }
  const report: Report = {
    machine: describeMachine(directory),
    pairs: Number(values.pairs),
    figures: chosen,
    outcomes,
  };
  if (values.out !== undefined) {
    mkdirSync(values.out, { recursive: true });
    writeFileSync(
      join(values.out, "bench.json"),
      `${JSON.stringify({ ...report, figures: undefined }, undefined, 2)}\n`,
    );
    writeFileSync(join(values.out, "bench.md"), markdownTables(report));
    writeFileSync(join(values.out, "bench.html"), htmlPage(report));
    console.log(`\nwrote bench.json, bench.md and bench.html to ${values.out}`);
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}
if (failed) process.exitCode = 1;

/** One figure on one runtime, in a process of its own. */
async function measure(runtime: string, args: readonly string[], limitMs: number): Promise<Outcome | undefined> {
  const start = START[runtime];
  if (start === undefined) throw new RangeError(`--runtimes takes ${Object.keys(START).join(", ")}, not ${runtime}`);
  const worker = fileURLToPath(new URL("./worker.ts", import.meta.url));
  const env = runtime === "deno" ? process.env : { ...process.env, ...built };
  const child = spawn(runtime, [...start, worker, ...args], { env, stdio: ["ignore", "pipe", "inherit"] });
  const timer = setTimeout(() => child.kill("SIGKILL"), limitMs);
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (piece: string) => text += piece);
  const exitCode = await new Promise<number | null>((resolve) => {
    child.on("error", () => resolve(-1));
    child.on("close", resolve);
  });
  clearTimeout(timer);
  if (exitCode === 0) return JSON.parse(text) as Outcome;
  console.error(`  ${runtime} gave no figure (exit ${exitCode})`);
  return undefined;
}

/** The environment in which the library is the built one. */
function buildPackage(): Record<string, string> {
  const root = fileURLToPath(new URL("..", import.meta.url));
  const { status } = spawnSync("node", [join(root, "scripts/build.ts")], { stdio: "inherit" });
  if (status !== 0) throw new Error("the package cannot be built");
  return { BENCH_PACKAGE: pathToFileURL(join(root, "dist/mod.js")).href };
}
