/**
 * `bimiplog bench`: how fast each runtime appends on this disk, measured against raw writes of the same bytes.
 *
 * @module
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Arguments } from "./arguments.ts";
import { benchPage } from "./bench_page.ts";
import { type BenchResult, type Round, summarise } from "./bench_result.ts";
import { runRounds, RUNTIME_NAMES, type RuntimeName } from "./bench_runtimes.ts";
import { type Command, type Context, say } from "./command.ts";
import { EXIT_DONE, EXIT_FAILED, messageOf, UsageError } from "./exit_codes.ts";
import { Progress } from "./progress.ts";
import { formatTable } from "./table.ts";

const DEFAULT_SECONDS = 20;

const DETAILS = `
For each runtime that is installed, a process of its own appends values of 100 bytes through tryAppend to a fresh
log below DIR: one shard, flushed to the operating system. Each round alternates with raw writes of the same number of
bytes, 1 MiB a write: the floor. Rounds are bursts into the page cache, so they tell what the processor costs and not
what the disk sustains. Everything written is removed again.

  --runtimes LIST    of node, bun, deno (default: all that are found)
  --seconds S        for everything together (default ${DEFAULT_SECONDS})
  --json             one object a line and runtime
  --html FILE        write a page with a chart
`;

export const benchCommand: Command = {
  name: "bench",
  synopsis: "DIR [--runtimes node,bun,deno] [--seconds S] [--json] [--html FILE]",
  summary: "measure how fast each runtime appends on this disk",
  details: DETAILS,
  options: { runtimes: "value", seconds: "value", json: "flag", html: "value" },
  run: bench,
};

async function bench(context: Context): Promise<number> {
  const { args, stdout, interruption } = context;
  const parent = resolve(args.only("directory"));
  const wanted = runtimesOf(args);
  const seconds = secondsOf(args);
  const page = args.value("html");
  const made = mkdirSync(parent, { recursive: true });
  const directory = mkdtempSync(join(parent, "bimiplog-bench-"));
  const results: BenchResult[] = [];
  try {
    for (const runtime of wanted) {
      if (interruption.signal.aborted) break;
      const result = await measure(
        context,
        runtime,
        join(directory, runtime),
        seconds / wanted.length,
        args.value("runtimes") !== undefined,
      );
      if (result === undefined) continue;
      results.push(result);
      if (args.flag("json")) await stdout.text(`${JSON.stringify(result)}\n`);
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
    if (made !== undefined) rmSync(made, { recursive: true, force: true });
  }
  if (interruption.signal.aborted) return EXIT_FAILED;
  if (results.length === 0) throw new Error("Cannot measure: none of the runtimes could be used");
  if (!args.flag("json")) await stdout.text(table(results));
  if (page !== undefined) {
    writeFileSync(page, benchPage(results, new Date()));
    await say(context, `wrote ${page}`);
  }
  return EXIT_DONE;
}

function runtimesOf(args: Arguments): RuntimeName[] {
  const names = args.value("runtimes")?.split(",").map((name) => name.trim()) ?? RUNTIME_NAMES;
  return [...new Set(names)].map((name) => {
    const known = RUNTIME_NAMES.find((known) => known === name);
    if (known === undefined) {
      throw new UsageError(`--runtimes takes ${RUNTIME_NAMES.join(", ")}, not ${JSON.stringify(name)}`);
    }
    return known;
  });
}

function secondsOf(args: Arguments): number {
  const text = args.value("seconds");
  const seconds = text === undefined ? DEFAULT_SECONDS : Number(text);
  if (text?.trim() === "" || !(seconds > 0 && seconds <= 86_400)) {
    throw new UsageError(`--seconds must be a number above 0 and at most 86400, not ${JSON.stringify(text)}`);
  }
  return seconds;
}

/** Measures one runtime; `undefined` where it cannot be used, which is told. */
async function measure(
  context: Context,
  runtime: RuntimeName,
  directory: string,
  seconds: number,
  askedFor: boolean,
): Promise<BenchResult | undefined> {
  const progress = new Progress(context.streams.stderr);
  const rounds: Round[] = [];
  try {
    const outcome = await runRounds(runtime, directory, seconds, context.interruption.signal, (round) => {
      rounds.push(round);
      progress.show(`${runtime}: ${rounds.length} rounds`);
    });
    progress.clear();
    if (context.interruption.signal.aborted) return undefined;
    if (outcome.kind === "ran") return summarise(outcome.runtime, rounds);
    if (askedFor || outcome.kind === "failed") await say(context, `${runtime} is left out: ${outcome.why}`);
  } catch (error) {
    progress.clear();
    if (context.interruption.signal.aborted) return undefined;
    await say(context, `${runtime} is left out: ${messageOf(error)}`);
  }
  return undefined;
}

function table(results: readonly BenchResult[]): string {
  const rows = [["runtime", "messages/s", "MB/s", "floor MB/s", "of floor", "spread", "rounds"]];
  for (
    const { runtime, messagesPerSecond, megabytesPerSecond, floorMegabytesPerSecond, ratioToFloor, rounds } of results
  ) {
    rows.push([
      runtime,
      messagesPerSecond.median.toFixed(0),
      megabytesPerSecond.median.toFixed(1),
      floorMegabytesPerSecond.median.toFixed(1),
      `${(ratioToFloor.median * 100).toFixed(1)} %`,
      `${(ratioToFloor.low * 100).toFixed(1)}–${(ratioToFloor.high * 100).toFixed(1)} %`,
      String(rounds),
    ]);
  }
  return formatTable(rows);
}
