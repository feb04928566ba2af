/**
 * What every reader of a log on a cluster has: its connections, where each partition is read, and an end.
 *
 * @module
 */
import { asLogError } from "../../errors.ts";
import { compileFilter, type Predicate } from "../../read/filter.ts";
import type { ReadOptions } from "../../read/read_options.ts";
import type { KafkaTopic } from "../wire/cluster.ts";
import { BackwardPartition } from "./backward.ts";
import { type Cluster, findRange, ownConnections, type PartitionRange, patienceFor } from "./cluster.ts";
import { merge } from "./merging.ts";
import { PartitionCursor } from "./partition_cursor.ts";

/** One reader. */
export interface Reader {
  readonly cluster: Cluster;
  readonly topic: KafkaTopic;
  readonly options: ReadOptions;
  readonly signal: AbortSignal;
  readonly ranges: ReadonlyMap<number, PartitionRange>;
  readonly matches: Predicate | undefined;
}

/** Opens a reader, lets it read, and frees its connections whatever happens. */
export function run<T>(
  cluster: Cluster,
  partitions: readonly number[],
  options: ReadOptions,
  read: (reader: Reader) => AsyncGenerator<T>,
): AsyncGenerator<T> {
  const matches = compileFilter(options.where);
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
      yield* read({ cluster, topic, options, signal, ranges, matches });
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

/** A pass over a partition. */
export function cursorOf(reader: Reader, partition: number, from: number, isTimed: boolean = true): PartitionCursor {
  const { cluster, topic, options, signal, ranges, matches } = reader;
  return new PartitionCursor({
    topic,
    partition,
    from,
    fromTime: isTimed ? ranges.get(partition)!.fromTime : undefined,
    matches,
    isCommitted: options.isolation === "committed",
    codecs: cluster.codecs,
    patience: patienceFor(cluster, signal),
    onGap: options.onCorrupt === "skip" ? options.onGap ?? (() => {}) : undefined,
  });
}

/** Passes from the ends to the beginnings. */
export function backwards(reader: Reader): BackwardPartition[] {
  return [...reader.ranges].map(([partition, { from, end }]) =>
    new BackwardPartition({ partition, from, end, cursorAt: (at) => cursorOf(reader, partition, at, false) })
  );
}

/** By partition, where to begin: with `last` at the oldest of the newest so many. */
export async function findStarts(reader: Reader): Promise<Map<number, number>> {
  const { options: { last }, ranges } = reader;
  if (last === undefined) return new Map([...ranges].map(([partition, { from }]) => [partition, from]));
  const starts = new Map([...ranges].map(([partition, { end }]) => [partition, end]));
  let left = last;
  if (left === 0) return starts;
  for await (const { shard, offset } of merge(backwards(reader).map((source) => () => source.next()), true)) {
    starts.set(shard, offset);
    if (--left === 0) break;
  }
  return starts;
}
