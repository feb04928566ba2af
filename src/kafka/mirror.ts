/**
 * `mirrorToKafka`: a log's batches go to a topic of a cluster, as they are.
 *
 * @module
 */
import { runtimeCodecs } from "../../adapters/codecs.ts";
import { runtimeVfs } from "../../adapters/runtime.ts";
import { EmbeddedLog } from "../log/log.ts";
import type { Log } from "../log/log_types.ts";
import { asLogError } from "../errors.ts";
import { connectTopic, type KafkaOptions, patienceOf } from "./kafka_options.ts";
import type { MirrorPlace } from "./mirror_state.ts";
import { ShardMirror } from "./mirror_shard.ts";
import { OffsetMapping } from "./offset_mapping.ts";
import type { KafkaTopic } from "./wire/cluster.ts";
import { KafkaError } from "./wire/kafka_error.ts";
import type { Patience } from "./wire/patience.ts";

const DEFAULT_PATIENCE_MS = 120_000;
const UNKNOWN_AT_FIRST_MS = 3000;
const UNKNOWN_LATER_MS = 30_000;
const LEAVING_MS = 1000;

/** Options of {@linkcode mirrorToKafka}. */
export interface MirrorOptions extends KafkaOptions {
  /** Goes on with what is appended, until `signal`. @default {false} */
  follow?: boolean;
  /** Where the mirror keeps its files `mirror.*`, one a shard. @default {the log's directory} */
  stateDirectory?: string;
  /** Goes on where records were removed from the log before they were sent. @default {false} */
  acceptGap?: boolean;
  /** Told how far it is, about every second and at the end. */
  onProgress?: (progress: MirrorProgress) => void;
}

/** How far a mirror is. */
export interface MirrorProgress {
  /** Records sent in this run. */
  readonly records: number;
  /** Bytes of their batches. */
  readonly bytes: number;
  /** Records that the log has and the topic does not, over all shards. */
  readonly lag: number;
  /** Records a second, since it was told last. */
  readonly recordsPerSecond: number;
}

/** What a mirror did. */
export interface MirrorResult {
  /** Records sent. */
  readonly records: number;
  /** Bytes of their batches. */
  readonly bytes: number;
  /** By shard. */
  readonly shards: readonly MirroredShard[];
}

/** A shard and its partition. */
export interface MirroredShard {
  /** The next offset of the log that is to be sent. */
  readonly sourceNext: number;
  /** The end of the partition. */
  readonly targetEnd: number;
  /** Which offset of the log is which of the partition. */
  readonly mapping: OffsetMapping;
}

/**
 * Sends what a log has to a topic with as many partitions as the log has shards: shard n to partition n, each record once and in order,
 * whatever is killed in between. Batches go out as they are stored, compressed or not. The mirror must be the only writer of the topic.
 *
 * It goes on where the topic ends: after each start it asks for that end and compares the topic's last batch with the log's. Offsets in
 * the topic equal those of the log where that starts at 0 and has no gaps; else the answer's `mapping`, which is stored beside the log,
 * translates both ways. A broker that is away is waited for (see `patienceMs`), and the log takes records meanwhile.
 *
 * @example
 * ```ts
 * import { openLog } from "@bimip/log";
 * import { mirrorToKafka } from "@bimip/log/kafka";
 *
 * const log = await openLog("./data/chat-to-mirror");
 * await log.append({ key: "alice", value: "hi" });
 * try {
 *   const { records } = await mirrorToKafka(log, { brokers: "127.0.0.1:1", topic: "chat", patienceMs: 0 });
 *   console.log(records);
 * } catch (error) {
 *   console.log(String(error)); // nobody listens on port 1
 * }
 * await log.close();
 * ```
 *
 * @param log An open log, also one that was opened with `readOnly` beside its writer.
 * @param options See {@linkcode MirrorOptions}; `signal` ends it, and what was sent stays sent.
 * @throws {LogError} `CONFLICT`: no such topic, another number of partitions, or somebody else writes to it. `RECORD_TOO_LARGE`: the message
 * names the broker's limit. `OFFSET_OUT_OF_RANGE`: records are gone that were not sent. `IO`: the broker refuses, or is away for too long.
 * `CORRUPT_BATCH`, `UNSUPPORTED`, `CORRUPT_FILE`.
 * @throws {TypeError} where the log is none that `openLog` opened, or a broker is not `host:port`.
 */
export async function mirrorToKafka(log: Log, options: MirrorOptions): Promise<MirrorResult> {
  if (!(log instanceof EmbeddedLog)) throw new TypeError("Cannot mirror: the log must be one that openLog opened");
  options.signal?.throwIfAborted();
  const follow = options.follow ?? false;
  const topic = connectTopic(options);
  // The first shard that fails ends the others.
  const stop = new AbortController();
  const patience = (unknownTopicMs: number): Patience =>
    patienceOf(options, follow ? Infinity : DEFAULT_PATIENCE_MS, stop.signal, unknownTopicMs);
  let leaving: ReturnType<typeof setTimeout> | undefined;
  const abort = (): void => {
    stop.abort(options.signal!.reason);
    // What is on its way may arrive, but a broker that is away is not waited for.
    leaving = setTimeout(() => topic.close(), LEAVING_MS);
  };
  options.signal?.addEventListener("abort", abort, { once: true });
  const mirrors: ShardMirror[] = [];
  let watch: ReturnType<typeof setInterval> | undefined;
  const told = { records: 0, atMs: performance.now() };
  const tell = (): void => void options.onProgress?.(progressOf(log, mirrors, told));
  try {
    const clusterId = await checkTopic(topic, log, patience(UNKNOWN_AT_FIRST_MS), stop.signal);
    for (const { id: shard } of log.shards) {
      const place: MirrorPlace = {
        vfs: options.vfs ?? runtimeVfs(),
        directory: options.stateDirectory ?? log.directory,
        logId: log.id,
        clusterId,
        topic: options.topic,
        shard,
      };
      const codecs = options.codecs ?? runtimeCodecs;
      const { acceptGap = false } = options;
      const parts = { log, shard, topic, codecs, place, follow, acceptGap, signal: stop.signal };
      mirrors.push(new ShardMirror({ ...parts, patience: patience(UNKNOWN_LATER_MS) }));
    }
    watch = setInterval(tell, 1000);
    const runs = mirrors.map((mirror) =>
      mirror.run().catch((error: unknown) => {
        stop.abort(error);
        topic.close();
        throw error;
      })
    );
    await Promise.allSettled(runs);
    // The failure that came first is the reason of the others.
    if (stop.signal.aborted) throw stop.signal.reason;
    tell();
    return resultOf(mirrors);
  } catch (error) {
    if (options.signal?.aborted) throw options.signal.reason;
    throw asLogError(error, `mirror the log in ${log.directory}`);
  } finally {
    clearInterval(watch);
    clearTimeout(leaving);
    options.signal?.removeEventListener("abort", abort);
    topic.close();
  }
}

/** Waits until the cluster answers, and makes sure that the topic fits. Answers the cluster's id. */
async function checkTopic(
  topic: KafkaTopic,
  log: EmbeddedLog,
  patience: Patience,
  signal: AbortSignal,
): Promise<string> {
  for (;;) {
    try {
      signal.throwIfAborted();
      const { leaders, clusterId } = await topic.metadata();
      if (leaders.length === log.shards.length) return clusterId;
      throw new KafkaError(
        "CONFLICT",
        "PARTITIONS",
        0,
        false,
        `Cannot mirror to ${topic.topic}: it has ${leaders.length} partitions, the log has ${log.shards.length} shards; shard n goes to ` +
          `partition n, so that every key stays where Kafka's own partitioner puts it: name a topic with ${log.shards.length} partitions`,
      );
    } catch (error) {
      await patience.wait(error);
    }
  }
}

function progressOf(
  log: Log,
  mirrors: readonly ShardMirror[],
  told: { records: number; atMs: number },
): MirrorProgress {
  const sum = (of: (mirror: ShardMirror, shard: number) => number): number =>
    mirrors.reduce((total, mirror, shard) => total + of(mirror, shard), 0);
  const records = sum((mirror) => mirror.records);
  const now = performance.now();
  const recordsPerSecond = Math.round((records - told.records) * 1000 / Math.max(1, now - told.atMs));
  told.records = records;
  told.atMs = now;
  const lag = sum((mirror, shard) => Math.max(0, log.shard(shard).written - mirror.sourceNext));
  return { records, bytes: sum((mirror) => mirror.bytes), lag, recordsPerSecond };
}

function resultOf(mirrors: readonly ShardMirror[]): MirrorResult {
  return {
    records: mirrors.reduce((sum, mirror) => sum + mirror.records, 0),
    bytes: mirrors.reduce((sum, mirror) => sum + mirror.bytes, 0),
    shards: mirrors.map(({ sourceNext, targetEnd, spans }) => ({
      sourceNext,
      targetEnd,
      mapping: new OffsetMapping(spans),
    })),
  };
}
