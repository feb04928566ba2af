/**
 * `read` and `batches` on a cluster.
 *
 * @module
 */
import { asLogError } from "../../errors.ts";
import type { ReadOptions } from "../../read/read_options.ts";
import { BoundedCursor, type CursorBounds, type RecordCursor } from "../../read/record_cursor.ts";
import type { LogBatch } from "../../read/stored_batch.ts";
import type { LogRecord } from "../../read/stored_record.ts";
import { CODEC_MASK, CODECS } from "../../batch/format.ts";
import { type Cluster, findRange, ownConnections, type PartitionRange, patienceFor } from "./cluster.ts";
import { type FetchedBatch, PartitionCursor } from "./partition_cursor.ts";
import type { KafkaTopic } from "../wire/cluster.ts";

/** One reader: its connections, and where each partition is read. */
interface Reader {
  readonly cluster: Cluster;
  readonly topic: KafkaTopic;
  readonly options: ReadOptions;
  readonly signal: AbortSignal;
  readonly ranges: ReadonlyMap<number, PartitionRange>;
}

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

/** Opens a reader, lets it read, and frees its connections whatever happens. */
function run<T>(
  cluster: Cluster,
  partitions: readonly number[],
  options: ReadOptions,
  read: (reader: Reader) => AsyncGenerator<T>,
): AsyncGenerator<T> {
  const topic = ownConnections(cluster);
  const signal = options.signal === undefined ? cluster.closed : AbortSignal.any([cluster.closed, options.signal]);
  // What comes from now on is behind "latest", whenever the first step is taken.
  const opening = options.from === "latest" ? findRanges(cluster, topic, partitions, options, signal) : undefined;
  opening?.catch(() => topic.close());
  async function* steps(): AsyncGenerator<T> {
    const stop = (): void => topic.close();
    signal.addEventListener("abort", stop, { once: true });
    try {
      options.signal?.throwIfAborted();
      const ranges = await (opening ?? findRanges(cluster, topic, partitions, options, signal));
      yield* read({ cluster, topic, options, signal, ranges });
    } catch (error) {
      if (options.signal?.aborted) throw options.signal.reason;
      if (!cluster.closed.aborted) throw asLogError(error, "read the log");
    } finally {
      signal.removeEventListener("abort", stop);
      topic.close();
    }
  }
  return steps();
}

async function findRanges(
  cluster: Cluster,
  topic: KafkaTopic,
  partitions: readonly number[],
  options: ReadOptions,
  signal: AbortSignal,
): Promise<Map<number, PartitionRange>> {
  const found = partitions.map(async (partition) =>
    [partition, await findRange(topic, partition, patienceFor(cluster, signal), options)] as const
  );
  return new Map(await Promise.all(found));
}

function cursorOf(reader: Reader, partition: number, from: number): PartitionCursor {
  const { cluster, topic, options, signal, ranges } = reader;
  return new PartitionCursor({
    topic,
    partition,
    from,
    fromTime: ranges.get(partition)!.fromTime,
    codecs: cluster.codecs,
    patience: patienceFor(cluster, signal),
    onGap: options.onCorrupt === "skip" ? options.onGap ?? (() => {}) : undefined,
  });
}

async function* records(reader: Reader): AsyncGenerator<LogRecord> {
  const { options, signal } = reader;
  let left = options.limit ?? Infinity;
  if (left <= 0) return;
  const cursors: PartitionCursor[] = [];
  const history = options.last === undefined ? merged(reader, cursors) : lastOf(reader, options.last, cursors);
  for await (const record of history) {
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

/** What is there at this moment, by (timestamp, shard, offset). Leaves the cursors behind it. */
async function* merged(reader: Reader, cursors: PartitionCursor[]): AsyncGenerator<LogRecord> {
  const standing: { cursor: PartitionCursor; record: LogRecord }[] = [];
  const step = async (cursor: PartitionCursor): Promise<void> => {
    const { end } = reader.ranges.get(cursor.partition)!;
    const record = await cursor.next(end);
    if (record !== undefined) standing.push({ cursor, record });
  };
  for (const [partition, { from }] of reader.ranges) cursors.push(cursorOf(reader, partition, from));
  await Promise.all(cursors.map(step));
  while (standing.length > 0) {
    let first = 0;
    for (let i = 1; i < standing.length; i++) if (isBefore(standing[i].record, standing[first].record)) first = i;
    const [{ cursor, record }] = standing.splice(first, 1);
    yield record;
    await step(cursor);
  }
}

function isBefore(a: LogRecord, b: LogRecord): boolean {
  return a.timestamp !== b.timestamp ? a.timestamp < b.timestamp : a.shard < b.shard;
}

/** The last so many: offsets alone do not tell, where some hold no record, so it looks further back until there are enough. */
async function* lastOf(reader: Reader, wanted: number, cursors: PartitionCursor[]): AsyncGenerator<LogRecord> {
  const found: LogRecord[] = [];
  for (const [partition, { end, from: first }] of reader.ranges) {
    let kept: LogRecord[] = [];
    for (let back = wanted;; back *= 2) {
      const from = Math.max(first, end - back);
      const cursor = cursorOf(reader, partition, from);
      kept = [];
      for (let record = await cursor.next(end); record !== undefined; record = await cursor.next(end)) {
        kept.push(record);
        if (kept.length > wanted) kept.shift();
      }
      if (kept.length < wanted && from > first && wanted > 0) continue;
      cursors.push(cursorOf(reader, partition, end));
      break;
    }
    found.push(...kept);
  }
  found.sort((a, b) => a.timestamp - b.timestamp || a.shard - b.shard || a.offset - b.offset);
  yield* found.slice(Math.max(0, found.length - wanted));
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
  const cursors = [...ranges].map(([partition, { from }]) => cursorOf(reader, partition, from));
  for (let isFollowing = false;; isFollowing = true) {
    for (const cursor of cursors) {
      const { end, from, fromTime } = ranges.get(cursor.partition)!;
      for (;;) {
        if (left <= 0) return;
        signal.throwIfAborted();
        const batch = await cursor.nextBatch(isFollowing ? Infinity : end);
        if (batch === undefined) break;
        const limit = left;
        left -= Math.min(left, batch.header.count);
        cursor.passed(batch);
        yield logBatch(cluster, cursor.partition, batch, {
          from,
          before: Infinity,
          matches: undefined,
          fromTime,
          skip: 0,
          limit,
        });
      }
    }
    if (!options.follow) return;
  }
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
      throw new Error(`Cannot decode the batch at offset ${baseOffset} of shard ${shard}: ${fault}`);
    });
  return {
    ...{ shard, baseOffset, lastOffset, count, baseTimestamp, maxTimestamp, records },
    codec: CODECS[attributes & CODEC_MASK],
    byteLength: header.bytes,
    bytes: whole,
  };
}
