/**
 * `read`, `batches` and `readRaw` on a cluster.
 *
 * @module
 */
import { CODEC_MASK, CODECS } from "../../batch/format.ts";
import { LogError } from "../../errors.ts";
import type { RawRange, RawReadOptions } from "../../read/raw_reader.ts";
import type { ReadOptions } from "../../read/read_options.ts";
import { BoundedCursor, type CursorBounds, type RecordCursor } from "../../read/record_cursor.ts";
import type { LogBatch } from "../../read/stored_batch.ts";
import type { LogRecord } from "../../read/stored_record.ts";
import { type Cluster, patienceFor } from "./cluster.ts";
import { merge } from "./merging.ts";
import { type FetchedBatch, PartitionCursor } from "./partition_cursor.ts";
import { backwards, cursorOf, findStarts, type Reader, run } from "./reading.ts";

const RAW_BYTES: number = 1024 * 1024;
const MAX_RAW_BYTES: number = 64 * 1024 * 1024;

/** Reads records; the iterator ends as `log.read` does. */
export function readRecords(
  cluster: Cluster,
  partitions: readonly number[],
  options: ReadOptions,
): AsyncGenerator<LogRecord> {
  return run(cluster, partitions, options, records);
}

/** Reads batches; the iterator ends as `log.batches` does. */
export function readBatches(
  cluster: Cluster,
  partitions: readonly number[],
  options: ReadOptions,
): AsyncGenerator<LogBatch> {
  return run(cluster, partitions, options, batches);
}

/** Reads one partition as it is stored; the iterator ends as `log.readRaw` does. */
export function readRanges(cluster: Cluster, partition: number, options: RawReadOptions): AsyncGenerator<RawRange> {
  const { maxBytes = RAW_BYTES } = options;
  if (!Number.isSafeInteger(maxBytes) || maxBytes < 1 || maxBytes > MAX_RAW_BYTES) {
    throw new RangeError(
      `Cannot read: maxBytes must be a whole number from 1 to ${MAX_RAW_BYTES}, not ${String(maxBytes)}`,
    );
  }
  return run(cluster, [partition], options, (reader) => ranges(reader, partition, maxBytes));
}

async function* records(reader: Reader): AsyncGenerator<LogRecord> {
  const { options, signal, ranges } = reader;
  let left = options.limit ?? Infinity;
  if (left <= 0) return;
  const { reverse = false } = options;
  const cursors = reverse ? [] : await cursorsOf(reader);
  const sources = reverse
    ? backwards(await newest(reader)).map((source) => () => source.next())
    : cursors.map((cursor) => () => cursor.next(ranges.get(cursor.partition)!.end));
  for await (const record of merge(sources, reverse)) {
    yield record;
    if (--left <= 0) return;
    signal.throwIfAborted();
  }
  if (!options.follow) return;
  for await (const record of followed(cursors)) {
    yield record;
    if (--left <= 0) return;
    signal.throwIfAborted();
  }
}

async function cursorsOf(reader: Reader): Promise<PartitionCursor[]> {
  const isTimed = reader.options.last === undefined;
  return [...await findStarts(reader)].map(([partition, from]) => cursorOf(reader, partition, from, isTimed));
}

/** With `last` a pass from the end goes no further than these. */
async function newest(reader: Reader): Promise<Reader> {
  if (reader.options.last === undefined) return reader;
  const starts = await findStarts(reader);
  const ranges = [...reader.ranges].map(([partition, range]) =>
    [partition, { ...range, from: starts.get(partition)! }] as const
  );
  return { ...reader, ranges: new Map(ranges) };
}

/** Whatever comes, as it comes: in order within a shard. */
async function* followed(cursors: readonly PartitionCursor[]): AsyncGenerator<LogRecord> {
  const asked = new Map<PartitionCursor, Promise<{ cursor: PartitionCursor; record: LogRecord | undefined }>>();
  try {
    for (;;) {
      for (const cursor of cursors) {
        if (!asked.has(cursor)) asked.set(cursor, cursor.next(Infinity).then((record) => ({ cursor, record })));
      }
      const { cursor, record } = await Promise.race(asked.values());
      asked.delete(cursor);
      if (record !== undefined) yield record;
    }
  } finally {
    for (const answer of asked.values()) answer.catch(() => {});
  }
}

async function* batches(reader: Reader): AsyncGenerator<LogBatch> {
  const { options, ranges, cluster, signal } = reader;
  let left = options.limit ?? Infinity;
  if (left <= 0) return;
  const starts = await findStarts(reader);
  const cursors = [...starts].map(([partition, from]) => cursorOf(reader, partition, from));
  for (let isFollowing = false;; isFollowing = true) {
    for (const cursor of cursors) {
      const { end, fromTime } = ranges.get(cursor.partition)!;
      for (;;) {
        signal.throwIfAborted();
        const batch = await cursor.nextBatch(isFollowing ? Infinity : end);
        if (batch === undefined) break;
        cursor.passed(batch);
        const found = logBatch(cluster, cursor.partition, batch, {
          from: starts.get(cursor.partition)!,
          before: options.before === undefined ? Infinity : end,
          matches: reader.matches,
          fromTime: options.last === undefined ? fromTime : undefined,
          skip: 0,
          limit: left,
        });
        if (reader.matches !== undefined || left !== Infinity) {
          const wanted = countUpTo(left, found);
          if (wanted === 0) continue;
          left -= wanted;
        }
        yield found;
        if (left <= 0) return;
      }
    }
    if (!options.follow) return;
  }
}

/** How many records of a batch are wanted; without a limit it is enough to know that there are some. */
function countUpTo(left: number, batch: LogBatch): number {
  const cursor = batch.records();
  const most = left === Infinity ? 1 : left;
  let count = 0;
  while (count < most && cursor.next()) count++;
  return count;
}

function logBatch(
  { codecs }: Cluster,
  shard: number,
  { bytes, at, header }: FetchedBatch,
  bounds: CursorBounds,
): LogBatch {
  const { baseOffset, lastOffset, count, baseTimestamp, maxTimestamp, attributes } = header;
  const whole = bytes.subarray(at, at + header.bytes);
  const records = (): RecordCursor =>
    new BoundedCursor(whole, 0, codecs, bounds, (fault) => {
      throw new LogError("CORRUPT_BATCH", `Cannot read shard ${shard}: the batch at offset ${baseOffset}: ${fault}`, {
        shard,
        range: [baseOffset, lastOffset],
      });
    });
  return {
    ...{ shard, baseOffset, lastOffset, count, baseTimestamp, maxTimestamp, records },
    codec: CODECS[attributes & CODEC_MASK],
    byteLength: header.bytes,
    bytes: whole,
  };
}

async function* ranges(
  { cluster, topic, options, signal, ranges }: Reader,
  partition: number,
  maxBytes: number,
): AsyncGenerator<RawRange> {
  const { from, end } = ranges.get(partition)!;
  const { codecs } = cluster;
  const onGap = options.onCorrupt === "skip" ? options.onGap ?? (() => {}) : undefined;
  const patience = patienceFor(cluster, signal);
  const cursor = new PartitionCursor({
    topic,
    partition,
    from,
    fromTime: undefined,
    codecs,
    patience,
    onGap,
    all: true,
  });
  for (let limit = end;;) {
    signal.throwIfAborted();
    let batch = await cursor.nextBatch(limit);
    if (batch === undefined) {
      if (!options.follow) return;
      limit = Infinity;
      continue;
    }
    const { bytes, at, header: { baseOffset } } = batch;
    let to = at;
    let nextOffset = baseOffset;
    // Batches that came with one answer lie one behind the other.
    for (; batch !== undefined; batch = await cursor.nextBatch(limit, true)) {
      to = batch.at + batch.header.bytes;
      nextOffset = batch.header.lastOffset + 1;
      cursor.passed(batch);
      if (to - at + cursor.bytesAhead > maxBytes) break;
    }
    yield { shard: partition, baseOffset, nextOffset, bytes: bytes.subarray(at, to) };
  }
}
