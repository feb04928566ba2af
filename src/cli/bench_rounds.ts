/**
 * The measurement itself, in a process of its own: prints one line for each round.
 *
 * @module
 */
import { closeSync, mkdirSync, openSync, rmSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { openLog } from "../../mod.ts";
import { BACKPRESSURE } from "../shard/shard_types.ts";
import type { Round } from "./bench_result.ts";
import { currentRuntime } from "./bench_runtimes.ts";
import type { Command, Context } from "./command.ts";
import { EXIT_DONE } from "./exit_codes.ts";

const VALUE_BYTES = 100;
const FLOOR_WRITE_BYTES: number = 1024 * 1024;
/** A round is large enough to be measured and small enough for the page cache; a short measurement has smaller ones. */
const MAX_MESSAGES = 600_000;
const MIN_MESSAGES = 20_000;
const MESSAGES_A_SECOND = 100_000;

export const benchRoundsCommand: Command = {
  name: "bench-rounds",
  synopsis: "DIR --seconds S",
  summary: "measure this runtime",
  details: "Run by bench.",
  options: { seconds: "value" },
  internal: true,
  run: benchRounds,
};

async function benchRounds({ args, stdout, interruption }: Context): Promise<number> {
  const directory = args.only("directory");
  const seconds = Number(args.value("seconds") ?? 1);
  const { name, version } = currentRuntime();
  await stdout.text(`${JSON.stringify({ runtime: `${name} ${version}` })}\n`);
  const messages = Math.round(Math.min(MAX_MESSAGES, Math.max(MIN_MESSAGES, seconds * MESSAGES_A_SECOND)));
  const end = performance.now() + seconds * 1000;
  mkdirSync(directory);
  try {
    // At least two: the first one warms up.
    for (let round = 0; round < 2 || performance.now() < end; round++) {
      if (interruption.signal.aborted) break;
      await stdout.text(`${JSON.stringify({ round: await measureRound(directory, messages) })}\n`);
      await stdout.flush();
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  return EXIT_DONE;
}

async function measureRound(directory: string, messages: number): Promise<Round> {
  const log = join(directory, "log");
  const logSeconds = await measureLog(log, messages);
  const bytes = statSync(join(log, "log-0", `${"0".repeat(20)}.log`)).size;
  rmSync(log, { recursive: true });
  const floorSeconds = measureFloor(join(directory, "floor"), bytes);
  return { messages, bytes, logSeconds, floorSeconds };
}

/** Appends and flushes to the operating system. Opening and closing, which syncs, are not measured. */
async function measureLog(directory: string, messages: number): Promise<number> {
  const log = await openLog(directory, { topic: "log" });
  try {
    const shard = log.shard(0);
    const record = { value: new Uint8Array(VALUE_BYTES).fill(0x61) };
    const started = performance.now();
    for (let i = 0; i < messages; i++) {
      while (shard.tryAppend(record) === BACKPRESSURE) await shard.writable();
    }
    await shard.flush("os");
    return (performance.now() - started) / 1000;
  } finally {
    await log.close();
  }
}

/** The same bytes, with nothing done to them. */
function measureFloor(path: string, bytes: number): number {
  const block = new Uint8Array(FLOOR_WRITE_BYTES).fill(0x61);
  const file = openSync(path, "wx", 0o600);
  try {
    const started = performance.now();
    for (let position = 0; position < bytes;) {
      position += writeSync(file, block, 0, Math.min(block.length, bytes - position), position);
    }
    return (performance.now() - started) / 1000;
  } finally {
    closeSync(file);
    rmSync(path);
  }
}
