/** A log of which every record and the place of every batch is known, and what must hold of it after a repair. */
import assert from "node:assert/strict";
import { type MemoryVfs, memoryVfs, seededRandom, simulatedClock } from "../../adapters/memory.ts";
import { systemClock } from "../../adapters/system.ts";
import { noCodecs } from "../../src/batch/codecs.ts";
import { batchBytesAt, readHeader } from "../../src/batch/format.ts";
import type { EmbeddedLog } from "../../src/log/log.ts";
import { openWith } from "../../src/log/open.ts";
import { repairLog, type RepairReport } from "../../src/log/repair.ts";
import type { Engine, OpenOptions } from "../../src/options.ts";
import type { GapEvent } from "../../src/read/shard_batches.ts";
import type { RepairFinding } from "../../src/recovery/rebuild_types.ts";
import type { Damage } from "../../src/verify/finding.ts";
import { verifyLog } from "../../src/verify/verify_log.ts";

/** Where the log lies. */
export const DIRECTORY = "/data/log";
/** Records of each batch; a segment holds three or four batches. */
export const RECORDS_A_BATCH = 5;
const SEGMENT_BYTES = 1024;

/** Path of a file of a shard. */
export function shardFile(shard: number, name: string): string {
  return `${DIRECTORY}/log-${shard}/${name}`;
}

/** Path of a segment's `.log`, or another file of it. */
export function segmentFile(shard: number, base: number, ending = "log"): string {
  return shardFile(shard, `${String(base).padStart(20, "0")}.${ending}`);
}

export function engineOn(vfs: MemoryVfs): Engine {
  return { vfs, clock: simulatedClock(), random: seededRandom(5).fill, codecs: noCodecs };
}

export function open(vfs: MemoryVfs, options: OpenOptions = {}): Promise<EmbeddedLog> {
  return openWith(engineOn(vfs), DIRECTORY, {
    topic: "log",
    flushIntervalMs: Infinity,
    segmentBytes: SEGMENT_BYTES,
    ...options,
  });
}

/** The value at an offset. */
export function valueAt(shard: number, offset: number): string {
  return `${shard}:${offset}:`.padEnd(20 + offset % 4, "x");
}

/** Appends batches of known records and flushes each. */
export async function appendBatches(
  log: EmbeddedLog,
  shard: number,
  batches: number,
  records: number = RECORDS_A_BATCH,
): Promise<void> {
  const writer = log.shard(shard);
  for (let batch = 0; batch < batches; batch++) {
    for (let record = 0; record < records; record++) {
      const offset = writer.nextOffset;
      writer.tryAppend({ key: `k${offset}`, value: valueAt(shard, offset), timestamp: 1_760_000_000_000 + offset });
    }
    await writer.flush("os");
  }
}

/** How a log is left. */
export interface Life {
  readonly shards?: number;
  /** Batches of each opening; the last one ends as `ending` says. */
  readonly lives?: readonly number[];
  readonly ending?: "close" | "kill" | "power";
  /** Syncs before the last so many batches of the last opening. */
  readonly unsynced?: number;
}

/** Makes a log. Shards get the same number of batches. */
export async function makeLog(life: Life = {}): Promise<MemoryVfs> {
  const { shards = 1, lives = [6, 6], ending = "close", unsynced = 0 } = life;
  let vfs = memoryVfs({ seed: 3 });
  for (const [i, batches] of lives.entries()) {
    const isLast = i === lives.length - 1;
    const log = await open(vfs, { shards });
    for (let shard = 0; shard < shards; shard++) await appendBatches(log, shard, isLast ? batches - unsynced : batches);
    if (isLast && unsynced > 0) {
      await log.flush("disk");
      for (let shard = 0; shard < shards; shard++) await appendBatches(log, shard, unsynced);
    }
    if (!isLast || ending === "close") await log.close();
    else vfs = vfs.crash(ending === "power" ? "power" : "process");
  }
  return vfs;
}

/** A batch and its place. */
export interface Batch {
  readonly file: string;
  readonly segment: number;
  readonly position: number;
  readonly bytes: number;
  readonly first: number;
  readonly last: number;
  readonly epoch: number;
  readonly count: number;
}

/** The batches of a shard as they stand. */
export function batchesOf(vfs: MemoryVfs, shard = 0): Batch[] {
  const batches: Batch[] = [];
  const prefix = shardFile(shard, "").slice(1);
  for (const path of vfs.paths()) {
    if (!path.startsWith(prefix) || !path.endsWith(".log")) continue;
    const bytes = vfs.readWhole(path);
    for (let position = 0; position < bytes.length; position += batchBytesAt(bytes, position)) {
      const { baseOffset, lastOffset, bytes: size, epoch, count } = readHeader(bytes, position);
      const segment = Number(path.slice(prefix.length, prefix.length + 20));
      batches.push({
        file: `/${path}`,
        segment,
        position,
        bytes: size,
        first: baseOffset,
        last: lastOffset,
        epoch,
        count,
      });
    }
  }
  return batches;
}

/** Changes bytes of a file. */
export function damage(vfs: MemoryVfs, path: string, change: (bytes: Uint8Array) => Uint8Array | void): void {
  const bytes = vfs.readWhole(path);
  vfs.writeWhole(path, change(bytes) ?? bytes);
}

/** Turns one bit over. */
export function flip(vfs: MemoryVfs, path: string, position: number, bit = 0): void {
  damage(vfs, path, (bytes) => {
    bytes[position] ^= 1 << bit;
  });
}

export function repair(vfs: MemoryVfs, apply = true): Promise<RepairReport> {
  return repairLog(engineOn(vfs), DIRECTORY, { apply });
}

/** What verifying finds. */
export async function damages(vfs: MemoryVfs): Promise<Damage[]> {
  const found: Damage[] = [];
  // Verifying looks a second time at a slot that may be written at the moment; nobody would move a simulated clock on.
  await verifyLog({ ...engineOn(vfs), clock: systemClock }, DIRECTORY, {
    damage: (one) => found.push(one),
    note: () => {},
    progress: () => {},
  });
  return found;
}

/** What a reader of one shard gets: values by offset, and gaps. */
export async function readShard(
  vfs: MemoryVfs,
  shard = 0,
  onCorrupt: "stop" | "skip" = "skip",
): Promise<{ values: Map<number, string | null>; gaps: GapEvent[] }> {
  const log = await open(vfs, { readOnly: true });
  const gaps: GapEvent[] = [];
  const values = new Map<number, string | null>();
  try {
    for await (const record of log.read({ shard, onCorrupt, onGap: (gap) => gaps.push(gap) })) {
      assert.ok(!values.has(record.offset), `offset ${record.offset} is read twice`);
      values.set(record.offset, record.text());
    }
  } finally {
    await log.close();
  }
  return { values, gaps };
}

/** Every file except those that only tell who had the lock. */
export function content(vfs: MemoryVfs): Map<string, string> {
  const files = vfs.paths().filter((path) => !path.includes("/lock"));
  return new Map(files.map((path) => [path, [...vfs.readWhole(path)].join()]));
}

/** Offsets from `from` to `to`, inclusive. */
export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

/** What must hold after a repair. */
export interface Outcome {
  readonly shard?: number;
  /** Where the next record goes. */
  readonly nextOffset: number;
  /** Offsets whose records are lost. */
  readonly lost?: readonly number[];
  readonly earliest?: number;
}

/**
 * Holds a repaired log to the promise: verifying finds nothing, readers get every record but the lost ones, without a gap, it opens
 * for writing as after a clean close, and goes on behind everything that was ever acknowledged.
 */
export async function expectRepaired(repaired: MemoryVfs, outcome: Outcome): Promise<void> {
  const { shard = 0, nextOffset, lost = [], earliest = 0 } = outcome;
  const vfs = repaired.snapshot().boot();
  assert.deepEqual(await damages(vfs), []);
  const again = await repair(vfs);
  assert.deepEqual(again.findings, [], "a second repair finds nothing");
  const expected = range(earliest, nextOffset - 1).filter((offset) => !lost.includes(offset));
  const { values } = await readShard(vfs, shard, "stop");
  assert.deepEqual([...values.keys()], expected);
  for (const [offset, value] of values) assert.equal(value, valueAt(shard, offset));
  let next = earliest;
  let epoch = 0;
  for (const batch of batchesOf(vfs, shard)) {
    assert.equal(batch.first, next, "offsets are continuous");
    assert.ok(batch.epoch >= epoch, "epochs never fall");
    next = batch.last + 1;
    epoch = batch.epoch;
  }
  const log = await open(vfs);
  assert.equal(log.recovery[shard].verdict, "clean");
  assert.equal(log.shard(shard).state, "open");
  assert.equal(log.shard(shard).nextOffset, nextOffset);
  await appendBatches(log, shard, 2);
  await log.close();
  assert.deepEqual(await damages(vfs), []);
  const after = await readShard(vfs, shard, "stop");
  assert.equal(after.values.size, expected.length + 2 * RECORDS_A_BATCH);
  assert.ok(batchesOf(vfs, shard).at(-1)!.epoch > epoch || epoch === 0, "the epoch is raised");
}

/** A finding without what differs from run to run. */
export function told({ action, range, file }: RepairFinding): [string, readonly [number, number] | undefined, string] {
  return [action, range, file.slice(file.lastIndexOf("/") + 1)];
}
