/**
 * Whether the default of `directIo` is as good as whoever knows which mode is better: in a burst, at many small flushes, and for so long
 * that the disk sets the pace.
 *
 * @module
 */
import { rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { type DirectIo, type Log, openLog, type Rung } from "../../mod.ts";
import { makeValue, type Readings, type Setting, type Value, type ValueFigure } from "../figure.ts";
import { appendSide } from "../log_side.ts";
import { quantile } from "../pairs.ts";

const MODES: readonly DirectIo[] = ["auto", true, false];
const FLUSH_EVERY_MS = 10;
/** Records of a small flush. */
const FEW = 10;
/** Of each rung and mode, at most. */
const MOST_FLUSHES = 100;
const WARM_UP_FLUSHES = 10;

const BURST = "tryAppend, speed of the default, of that of the better mode";
const LONG = "tryAppend until all is synced, speed of the default, of that of the better mode";
const DEFAULT_SPEED = "the default";
const DIRECT_SPEED = "always direct";
const CACHED_SPEED = "never direct";
const SMALL_OS = "100 small flushes a second: time until os of the better mode, of that of the default";
const SMALL_DISK = "100 small flushes a second: time until disk of the better mode, of that of the default";
const ratio = (name: string): Value => ({ name, unit: "", atLeast: 0.9 });
const speed = (name: string): Value => ({ name, unit: "M/s" });

export const directIo: ValueFigure = {
  name: "direct_io",
  title: "the default of directIo beside true and false, one shard, 100-byte values",
  how: `The three in turn. A burst until os, then ${FEW} records every ${FLUSH_EVERY_MS} ms and a flush, its median`,
  messages: 5_000_000,
  values: [ratio(BURST), ratio(SMALL_OS), ratio(SMALL_DISK)],
  measure: (setting) => Promise.resolve(measurement(setting, shortRun)),
};

export const directIoSustained: ValueFigure = {
  name: "direct_io_sustained",
  title: "the default of directIo beside true and false, one shard, 100-byte values, over 10 GB, until all is synced",
  how: "The three in turn",
  messages: 100_000_000,
  isOnlyNamed: true,
  values: [ratio(LONG), speed(DEFAULT_SPEED), speed(DIRECT_SPEED), speed(CACHED_SPEED)],
  measure: (setting) => Promise.resolve(measurement(setting, longRun)),
};

function measurement(setting: Setting, run: (setting: Setting, turn: readonly DirectIo[]) => Promise<Readings>) {
  let turns = 0;
  return {
    run() {
      const first = turns++ % MODES.length;
      return run(setting, [...MODES.slice(first), ...MODES.slice(0, first)]);
    },
    close: () => Promise.resolve(),
  };
}

/** What the better of the two modes takes, of what the default takes. */
function beside(took: ReadonlyMap<DirectIo, number>): number {
  return Math.min(took.get(true)!, took.get(false)!) / took.get("auto")!;
}

/** Seconds that all messages take in each mode. */
async function appendInTurn(
  path: string,
  messages: number,
  turn: readonly DirectIo[],
  rung: Rung,
  onMode?: (mode: DirectIo, seconds: number) => void,
): Promise<Map<DirectIo, number>> {
  const found = new Map<DirectIo, number>();
  for (const directIo of turn) {
    const seconds = await appendSide({ path, messages, rung, options: { directIo } }).run();
    found.set(directIo, seconds);
    onMode?.(directIo, seconds);
  }
  return found;
}

async function shortRun({ directory, messages }: Setting, turn: readonly DirectIo[]): Promise<Readings> {
  const path = `${directory}/log`;
  const burst = await appendInTurn(path, messages, turn, "os");
  return {
    [BURST]: beside(burst),
    [SMALL_OS]: beside(await smallFlushes(path, messages, turn, "os")),
    [SMALL_DISK]: beside(await smallFlushes(path, messages, turn, "disk")),
  };
}

/**
 * Milliseconds that a flush takes in each mode, at the median. Three logs take turns within each tick: a flush takes 20 to 100 µs, which
 * depends more on what the machine does at the moment than on anything else.
 */
async function smallFlushes(
  path: string,
  messages: number,
  modes: readonly DirectIo[],
  rung: Rung,
): Promise<Map<DirectIo, number>> {
  const logs: { readonly mode: DirectIo; readonly log: Log; readonly took: number[] }[] = [];
  for (const mode of modes) {
    const log = await openLog(`${path}-${mode}`, { directIo: mode, flushIntervalMs: Infinity });
    logs.push({ mode, log, took: [] });
  }
  const record = { value: makeValue() };
  const count = Math.min(MOST_FLUSHES, Math.ceil(messages / 1000));
  // The first ones create the files, and compile what they run.
  for (let n = -WARM_UP_FLUSHES; n < count; n++) {
    const tick = performance.now();
    logs.push(logs.shift()!);
    for (const { log, took } of logs) {
      const shard = log.shard(0);
      for (let i = 0; i < FEW; i++) shard.tryAppend(record);
      const began = performance.now();
      await shard.flush(rung);
      if (n >= 0) took.push(performance.now() - began);
    }
    await sleep(Math.max(0, FLUSH_EVERY_MS - (performance.now() - tick)));
  }
  const found = new Map<DirectIo, number>();
  for (const { mode, log, took } of logs) {
    await log.close();
    rmSync(`${path}-${mode}`, { recursive: true });
    found.set(mode, quantile(took, 0.5));
  }
  return found;
}

async function longRun({ directory, messages }: Setting, turn: readonly DirectIo[]): Promise<Readings> {
  const found = await appendInTurn(`${directory}/log`, messages, turn, "disk", (mode, seconds) => {
    if (messages >= 1_000_000) console.error(`    directIo ${mode}: ${(messages / seconds / 1e6).toFixed(1)} M/s`);
  });
  const perSecond = (mode: DirectIo): number => messages / found.get(mode)! / 1e6;
  return {
    [LONG]: beside(found),
    [DEFAULT_SPEED]: perSecond("auto"),
    [DIRECT_SPEED]: perSecond(true),
    [CACHED_SPEED]: perSecond(false),
  };
}
