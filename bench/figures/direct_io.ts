/**
 * Whether the default of `directIo` is as good as whoever knows which mode is better: in a burst, at many small flushes, and for so long
 * that the disk sets the pace.
 *
 * @module
 */
import { rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { type DirectIo, openLog, type Rung } from "../../mod.ts";
import { makeValue, type Readings, type Setting, type Value, type ValueFigure } from "../figure.ts";
import { appendSide } from "../log_side.ts";

const MODES: readonly DirectIo[] = ["auto", true, false];
const FLUSH_EVERY_MS = 10;
/** Records of a small flush. */
const FEW = 10;
/** Of each rung and mode, at most. */
const MOST_FLUSHES = 100;

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
  how: `The three in turn. A burst until os, then ${FEW} records every ${FLUSH_EVERY_MS} ms and a flush, at the median`,
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

/** What a mode came to, by what was measured. */
type Numbers = Readonly<Record<string, number>>;

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

async function each(
  turn: readonly DirectIo[],
  of: (mode: DirectIo) => Promise<Numbers>,
): Promise<Map<DirectIo, Numbers>> {
  const found = new Map<DirectIo, Numbers>();
  for (const mode of turn) found.set(mode, await of(mode));
  return found;
}

/** What the better of the two modes takes, of what the default takes. */
function beside(found: ReadonlyMap<DirectIo, Numbers>, what: string): number {
  const of = (mode: DirectIo): number => found.get(mode)![what];
  return Math.min(of(true), of(false)) / of("auto");
}

async function shortRun({ directory, messages }: Setting, turn: readonly DirectIo[]): Promise<Readings> {
  const path = `${directory}/log`;
  const found = await each(turn, async (directIo) => ({
    [BURST]: await appendSide({ path, messages, rung: "os", options: { directIo } }).run(),
    [SMALL_OS]: await smallFlushes(path, messages, directIo, "os"),
    [SMALL_DISK]: await smallFlushes(path, messages, directIo, "disk"),
  }));
  return Object.fromEntries([BURST, SMALL_OS, SMALL_DISK].map((what) => [what, beside(found, what)]));
}

/** Milliseconds that a flush takes at the median: of so few, an average is that of the machine's pauses. */
async function smallFlushes(path: string, messages: number, directIo: DirectIo, rung: Rung): Promise<number> {
  const log = await openLog(path, { directIo, flushIntervalMs: Infinity });
  const shard = log.shard(0);
  const record = { value: makeValue() };
  const count = Math.min(MOST_FLUSHES, Math.ceil(messages / 1000));
  const waited: number[] = [];
  // The first one creates the files.
  for (let n = -1; n < count; n++) {
    for (let i = 0; i < FEW; i++) shard.tryAppend(record);
    const began = performance.now();
    await shard.flush(rung);
    const took = performance.now() - began;
    if (n >= 0) waited.push(took);
    await sleep(Math.max(0, FLUSH_EVERY_MS - took));
  }
  await log.close();
  rmSync(path, { recursive: true });
  return waited.sort((a, b) => a - b)[count >> 1];
}

async function longRun({ directory, messages }: Setting, turn: readonly DirectIo[]): Promise<Readings> {
  const path = `${directory}/log`;
  const found = await each(turn, async (directIo) => {
    const seconds = await appendSide({ path, messages, rung: "disk", options: { directIo } }).run();
    if (messages >= 1_000_000) console.error(`    directIo ${directIo}: ${(messages / seconds / 1e6).toFixed(1)} M/s`);
    return { [LONG]: seconds };
  });
  const perSecond = (mode: DirectIo): number => messages / found.get(mode)![LONG] / 1e6;
  return {
    [LONG]: beside(found, LONG),
    [DEFAULT_SPEED]: perSecond("auto"),
    [DIRECT_SPEED]: perSecond(true),
    [CACHED_SPEED]: perSecond(false),
  };
}
