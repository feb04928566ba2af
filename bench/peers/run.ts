/**
 * `npm run bench:peers`: other embedded stores on the same work, on the same disk, in turn with BimipLog.
 *
 * npm run bench:peers -- [--dir DIR] [--peers a,b] [--works append,synced,read] [--runtimes node,bun,deno] [--messages N]
 *                        [--pairs N] [--out DIR]
 *
 * @module
 */
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { describeMachine } from "../machine.ts";
import { peers } from "./peers.ts";
import { markdownTable, type PeerOutcome, settingOf, type Work, WORKS } from "./report.ts";

const START: Readonly<Record<string, readonly string[]>> = { node: [], bun: ["run"], deno: ["run", "--quiet", "-A"] };
const TIME_LIMIT_MS = 90_000;
const here = fileURLToPath(new URL(".", import.meta.url));

const { values } = parseArgs({
  options: {
    dir: { type: "string", default: os.tmpdir() },
    peers: { type: "string", default: peers.map((peer) => peer.name).join(",") },
    works: { type: "string", default: WORKS.map(([work]) => work).join(",") },
    runtimes: { type: "string", default: "node" },
    messages: { type: "string", default: "200000" },
    pairs: { type: "string", default: "5" },
    out: { type: "string" },
  },
});

function chosen<T>(what: string, text: string, all: readonly T[], nameOf: (one: T) => string): T[] {
  return text.split(",").map((name) => {
    const one = all.find((one) => nameOf(one) === name);
    if (one === undefined) throw new RangeError(`--${what} takes ${all.map(nameOf).join(", ")}, not ${name}`);
    return one;
  });
}

const chosenPeers = chosen("peers", values.peers, peers, (peer) => peer.name);
const works = chosen("works", values.works, WORKS, ([work]) => work);
const runtimes = chosen("runtimes", values.runtimes, Object.keys(START), (name) => name);

const install = spawnSync("npm", ["ci", "--no-audit", "--no-fund", "--ignore-scripts"], {
  cwd: here,
  stdio: "inherit",
});
if (install.status !== 0) throw new Error("the peers cannot be installed");

const directory = mkdtempSync(join(values.dir, "bimiplog-peers-"));
const outcomes: PeerOutcome[] = [];
const failures: string[] = [];
try {
  for (const [work, title] of works) {
    console.log(`\n${title}, ${Number(values.messages).toLocaleString("en")} messages of 100 bytes`);
    for (const peer of chosenPeers) {
      const setting = settingOf(peer, work);
      if (setting === undefined) {
        console.log(`  ${peer.name}: has no such thing`);
        continue;
      }
      console.log(`  ${peer.name}: ${setting}`);
      for (const runtime of runtimes) await show(runtime, peer.name, work);
    }
  }
  const machine = describeMachine(directory);
  const report = { machine, messages: Number(values.messages), pairs: Number(values.pairs), outcomes, failures };
  const table = markdownTable(outcomes, peers);
  console.log(`\n${table}`);
  for (const failure of failures) console.log(failure);
  if (values.out !== undefined) {
    mkdirSync(values.out, { recursive: true });
    writeFileSync(join(values.out, "peers.json"), `${JSON.stringify(report, undefined, 2)}\n`);
    writeFileSync(join(values.out, "peers.md"), table);
    console.log(`wrote peers.json and peers.md to ${values.out}`);
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}
// A peer that does not load on a runtime is a finding; one that does nothing on Node is a broken benchmark.
if (failures.some((failure) => failure.startsWith("node"))) process.exitCode = 1;

async function show(runtime: string, peer: string, work: Work): Promise<void> {
  const { outcome, error } = await measure(runtime, [peer, work, directory, values.messages, values.pairs]);
  if (outcome === undefined) {
    failures.push(`${runtime}: ${peer} gave no figure for ${work}: ${error}`);
    console.log(`    ${runtime.padEnd(14)} no figure: ${error}`);
    return;
  }
  outcomes.push(outcome);
  const { ours, theirs, ratio } = outcome;
  const million = (perSecond: number): string => (perSecond / 1e6).toFixed(2).padStart(6);
  console.log(
    `    ${outcome.runtime.padEnd(14)} ${million(theirs.median)} M/s, BimipLog ${million(ours.median)} M/s, ` +
      `ratio ${ratio.median.toFixed(1)} (${ratio.low.toFixed(1)}–${ratio.high.toFixed(1)})`,
  );
}

/** One peer at one work, in a process of its own. */
async function measure(
  runtime: string,
  args: readonly string[],
): Promise<{ readonly outcome?: PeerOutcome; readonly error?: string }> {
  const child = spawn(runtime, [...START[runtime], join(here, "worker.ts"), ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), TIME_LIMIT_MS);
  const text = { out: "", err: "" };
  child.stdout.setEncoding("utf8").on("data", (piece: string) => text.out += piece);
  child.stderr.setEncoding("utf8").on("data", (piece: string) => text.err += piece);
  const exitCode = await new Promise<number | null>((resolve) => {
    child.on("error", () => resolve(-1));
    child.on("close", resolve);
  });
  clearTimeout(timer);
  const line = text.out.split("\n").findLast((line) => line.startsWith("{"));
  if (exitCode === 0 && line !== undefined) return { outcome: JSON.parse(line) as PeerOutcome };
  const reason = text.err.split("\n").find((line) => /error/i.test(line)) ?? `exit ${exitCode}`;
  return { error: reason.trim() };
}
