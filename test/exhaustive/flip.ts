/** Opens a log of which one bit is wrong, reads everything in every way, and compares. */
import type { MemorySnapshot, MemoryVfs } from "../../adapters/memory.ts";
import { LogError } from "../../src/errors.ts";
import type { EmbeddedLog } from "../../src/log/log.ts";
import type { OpenOptions } from "../../src/options.ts";
import { asText, openOn, shardFile } from "./engine.ts";
import type { Golden } from "./golden.ts";

/** What a flipped bit came to. */
export interface FlipOutcome {
  /** How the log opened for writing: `open`, `readOnly` (one of its shards), or the code of the error. */
  readonly writing: string;
  /** How it opened with `readOnly`; `behind`: as far as the older anchor slot goes. */
  readonly reading: string;
  /** Records that cannot be read any more, as `shard/offset`, over all ways to read. */
  readonly missing: ReadonlySet<string>;
}

/** What must not happen did; the message says at which bit. */
export class Broken extends Error {}

/** A copy of `bytes` with one bit turned over. */
export function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = bytes.slice();
  copy[bit >> 3] ^= 0x80 >> (bit & 7);
  return copy;
}

/** What is to be looked at. */
export interface Flip {
  readonly golden: Golden;
  /** The log before the flip. */
  readonly snapshot: MemorySnapshot;
  readonly file: string;
  /** The file after the flip. */
  readonly content: Uint8Array;
  /** Shards that are read. */
  readonly shards: readonly number[];
  /** Whether the log is written to, closed, and looked at again. */
  readonly appends: boolean;
  /** Whether it is also opened with `readOnly`. */
  readonly reads: boolean;
}

/** Opens the log with the flipped file, for reading and for writing, and looks at what is left. */
export async function runFlip(flip: Flip): Promise<FlipOutcome> {
  const { golden, snapshot, file, content, appends } = flip;
  const missing = new Set<string>();
  const vfs = snapshot.boot();
  vfs.writeWhole(file, content);
  let reading = "not tried";
  if (flip.reads) {
    const opened = await open(vfs, { readOnly: true }, flip, golden.records, missing);
    await opened.log?.close();
    reading = opened.how;
  }
  const writing = await open(vfs, {}, flip, golden.records, missing);
  if (appends && writing.log !== undefined) {
    const records = await appendOne(writing.log, golden);
    for (const options of [{}, { readOnly: true }]) {
      const again = await open(vfs, options, flip, records, missing);
      await again.log?.close();
    }
  } else await writing.log?.close();
  return { writing: writing.how, reading, missing };
}

/** Appends a record to each shard that takes one, closes, and answers what must be readable then. */
async function appendOne(log: EmbeddedLog, golden: Golden): Promise<string[][]> {
  const records = golden.records.map((known) => [...known]);
  for (const shard of log.shards) {
    if (shard.state !== "open") continue;
    const offset = shard.nextOffset;
    if (offset !== records[shard.id].length) throw new Broken(`shard ${shard.id} goes on at ${offset}`);
    shard.tryAppend({ key: "new", value: "new", timestamp: 1_770_000_000_000 });
    records[shard.id].push(`${shard.id}/${offset}/1770000000000/new/new/`);
  }
  await log.flush();
  await log.close();
  return records;
}

async function open(
  vfs: MemoryVfs,
  options: OpenOptions,
  { golden, file, shards }: Flip,
  records: readonly (readonly string[])[],
  missing: Set<string>,
): Promise<{ how: string; log: EmbeddedLog | undefined }> {
  let log: EmbeddedLog;
  try {
    log = await openOn(vfs, options);
  } catch (error) {
    if (!(error instanceof LogError)) throw new Broken(`opening throws ${String(error)}`, { cause: error });
    return { how: error.code, log: undefined };
  }
  let behind = false;
  for (const shard of shards) {
    let known = records[shard];
    const end = log.shard(shard).nextOffset;
    if (options.readOnly === true && end < known.length && file === shardFile(shard, "anchor")) {
      // A reader takes no lock: it cannot know that nobody writes, and sees only what the slot that is left publishes.
      if (end + golden.lastCommit < known.length) throw new Broken(`a reader ends at ${end} of ${known.length}`);
      behind = true;
      known = known.slice(0, end);
    }
    await readShard(log, shard, known, missing);
  }
  if (behind) return { how: "behind", log };
  const damaged = options.readOnly !== true && log.shards.some((shard) => shard.state !== "open");
  return { how: damaged ? "readOnly" : "open", log };
}

/** Reads a shard with both policies: only true records, and gaps for exactly what is not there. */
async function readShard(
  log: EmbeddedLog,
  shard: number,
  known: readonly string[],
  missing: Set<string>,
): Promise<void> {
  const seen = new Uint8Array(known.length);
  const passed = new Uint8Array(known.length);
  let next = 0;
  const check = (text: string, offset: number): void => {
    if (text !== known[offset]) throw new Broken(`wrong record ${text} instead of ${known[offset]}`);
    if (offset < next) throw new Broken(`record ${text} comes out of order`);
    next = offset + 1;
  };
  const onGap = ({ shard: of, from, to, error }: { shard: number; from: number; to: number; error: LogError }) => {
    if (of !== shard || from > to || from < next || to >= known.length) {
      throw new Broken(`gap ${of}: ${from}–${to} behind ${next - 1} of ${known.length}`);
    }
    if (!(error instanceof LogError) || error.code !== "CORRUPT_BATCH") {
      throw new Broken(`gap for ${String(error)}`, { cause: error });
    }
    passed.fill(1, from, to + 1);
    next = to + 1;
  };
  for await (const record of log.read({ shard, onCorrupt: "skip", onGap })) {
    check(asText(record), record.offset);
    seen[record.offset] = 1;
  }
  let firstGap = -1;
  for (let offset = 0; offset < known.length; offset++) {
    if (seen[offset] + passed[offset] !== 1) {
      throw new Broken(`record ${shard}/${offset} is ${seen[offset] ? "read and passed over" : "gone without a gap"}`);
    }
    if (!passed[offset]) continue;
    missing.add(`${shard}/${offset}`);
    if (firstGap < 0) firstGap = offset;
  }
  next = 0;
  let stopped: unknown;
  try {
    for await (const record of log.read({ shard })) check(asText(record), record.offset);
  } catch (error) {
    stopped = error;
  }
  if (stopped instanceof Broken) throw stopped;
  if (firstGap < 0) {
    if (stopped !== undefined) throw new Broken(`reading stops at ${next}: ${String(stopped)}`, { cause: stopped });
    if (next !== known.length) throw new Broken(`reading ends at ${next} of ${known.length}`);
  } else if (!(stopped instanceof LogError) || stopped.code !== "CORRUPT_BATCH" || next !== firstGap) {
    throw new Broken(`reading up to ${next}, not ${firstGap}, then ${String(stopped)}`, { cause: stopped });
  }
}
