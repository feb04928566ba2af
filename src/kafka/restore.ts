/**
 * `restoreFromKafka`: a topic of a cluster becomes a log.
 *
 * @module
 */
import { runtimeCodecs } from "../../adapters/codecs.ts";
import { runtimeVfs } from "../../adapters/runtime.ts";
import { systemClock, systemRandom } from "../../adapters/system.ts";
import { RESTORE_NOTE } from "../backup/unfinished.ts";
import { fromHex, toHex } from "../bytes.ts";
import { asLogError, LogError } from "../errors.ts";
import { takeLock } from "../log/lock.ts";
import { isTopic, readManifest, shardDirectory } from "../log/manifest.ts";
import type { Damage } from "../verify/finding.ts";
import { verifyLog } from "../verify/verify_log.ts";
import { type Vfs, VfsError } from "../vfs.ts";
import { DAMAGED, readNote, writeNote } from "./checked_note.ts";
import { connectTopic, type KafkaOptions, patienceOf } from "./kafka_options.ts";
import { writeLogFacts } from "./restore_facts.ts";
import { ShardRestore } from "./restore_shard.ts";
import type { KafkaTopic } from "./wire/cluster.ts";
import type { Patience } from "./wire/patience.ts";

const PATIENCE_MS = 120_000;
const UNKNOWN_TOPIC_MS = 3000;
/** Partitions fetched at the same time. */
const AT_ONCE = 8;

/** Options of {@linkcode restoreFromKafka}. */
export interface RestoreOptions extends KafkaOptions {
  /** Size at which a segment ends, in bytes, 1,024–2,147,483,647. @default {1_073_741_824} */
  segmentBytes?: number;
  /** Told how far it is, about every second and at the end. */
  onProgress?: (progress: RestoreProgress) => void;
}

/** How far a restore is. */
export interface RestoreProgress {
  /** Records fetched in this run. */
  readonly records: number;
  /** Bytes of their batches. */
  readonly bytes: number;
  /** Offsets that are still to be fetched, over all partitions. */
  readonly lag: number;
}

/** What a restore did. */
export interface RestoreResult {
  /** Records fetched in this run. */
  readonly records: number;
  /** Bytes of their batches. */
  readonly bytes: number;
  /** By shard: its first offset, and the one that the next record gets. */
  readonly shards: readonly { readonly earliest: number; readonly nextOffset: number }[];
}

/** What is remembered while a restore is under way. */
interface Note {
  readonly log: string;
  readonly cluster: string;
  readonly topic: string;
  readonly partitions: number;
}

/**
 * Makes a log of a topic: as many shards as it has partitions, with the same offsets, keys, values, headers and timestamps. Batches are
 * written as the broker has them, control batches and gaps included, up to the topic's end of now; then every byte is verified.
 *
 * A restore that was interrupted goes on when it is called again. The log is there once it is complete: before, nothing opens it.
 *
 * @example
 * ```ts
 * import { restoreFromKafka } from "@bimip/log/kafka";
 *
 * try {
 *   await restoreFromKafka("./data/restored", { brokers: "127.0.0.1:1", topic: "chat", patienceMs: 0 });
 * } catch (error) {
 *   console.log(String(error)); // nobody listens on port 1
 * }
 * ```
 *
 * @param directory An empty one, one that does not exist, or that of a restore which was interrupted.
 * @param options See {@linkcode RestoreOptions}.
 * @throws {LogError} `CONFLICT`: no such topic, or the directory holds something else. `IO`: the broker refuses, or is away for too long.
 * `OFFSET_OUT_OF_RANGE`: the broker removed records meanwhile. `CORRUPT_BATCH`, `LOCKED`, `DISK_FULL`.
 */
export async function restoreFromKafka(directory: string, options: RestoreOptions): Promise<RestoreResult> {
  const { segmentBytes = 1024 * 1024 * 1024 } = options;
  if (!Number.isSafeInteger(segmentBytes) || segmentBytes < 1024 || segmentBytes > 2 ** 31 - 1) {
    throw new RangeError(`Cannot restore: segmentBytes must be 1024 to 2147483647, not ${String(segmentBytes)}`);
  }
  if (!isTopic(options.topic)) throw new RangeError("Cannot restore: topic must be a legal name of a Kafka topic");
  options.signal?.throwIfAborted();
  const vfs = options.vfs ?? runtimeVfs();
  const stop = new AbortController();
  const topic = connectTopic(options);
  const abort = (): void => {
    stop.abort(options.signal!.reason);
    topic.close();
  };
  options.signal?.addEventListener("abort", abort, { once: true });
  const patience = (): Patience => patienceOf(options, PATIENCE_MS, stop.signal, UNKNOWN_TOPIC_MS);
  try {
    const { clusterId, leaders } = await metadataOf(topic, patience());
    await makeOwn(vfs, directory);
    // Nothing is left behind where something else is, not even a lock.
    if (await readNote(vfs, `${directory}/${RESTORE_NOTE}`) === undefined) await refuseOthers(vfs, directory);
    const lock = await takeLock(vfs, directory);
    try {
      const note = await prepare(vfs, directory, {
        cluster: clusterId,
        topic: options.topic,
        partitions: leaders.length,
      });
      const restores = leaders.map((_, shard) => {
        const place = shardDirectory(directory, options.topic, shard);
        return new ShardRestore({
          vfs,
          directory: place,
          shard,
          topic,
          patience: patience(),
          segmentBytes,
          signal: stop.signal,
        });
      });
      await fetchAll(restores, stop, topic, options);
      const id = fromHex(note.log)!;
      const manifest = { id, topic: options.topic, shards: leaders.length };
      await writeLogFacts(vfs, directory, manifest, restores.map((restore) => restore.logStart));
      await verify(vfs, directory, options.signal);
      await vfs.remove(`${directory}/${RESTORE_NOTE}`);
      await vfs.syncDirectory(directory);
      return resultOf(restores);
    } finally {
      await lock.release();
    }
  } catch (error) {
    if (options.signal?.aborted) throw options.signal.reason;
    throw asLogError(error, `restore into ${directory}`);
  } finally {
    options.signal?.removeEventListener("abort", abort);
    topic.close();
  }
}

async function metadataOf(
  topic: KafkaTopic,
  patience: Patience,
): Promise<{ clusterId: string; leaders: readonly number[] }> {
  for (;;) {
    try {
      return await topic.metadata();
    } catch (error) {
      await patience.wait(error);
    }
  }
}

async function makeOwn(vfs: Vfs, directory: string): Promise<void> {
  try {
    await vfs.makeDirectory(directory);
  } catch (error) {
    if (!(error instanceof VfsError) || (error.code !== "EXISTS" && error.code !== "NOT_A_DIRECTORY")) throw error;
    throw new LogError("CONFLICT", `Cannot restore into ${directory}: it is not a directory; name another place`, {
      file: directory,
      cause: error,
    });
  }
}

async function refuseOthers(vfs: Vfs, directory: string): Promise<void> {
  const { present } = await readManifest(vfs, directory);
  const others = (await vfs.list(directory)).filter(({ name }) => !/^(lock.*|lost\+found|restore\.tmp)$/.test(name));
  if (present === 0 && others.length === 0) return;
  const what = present > 0 ? "a log" : `other files (${others[0].name})`;
  throw new LogError("CONFLICT", `Cannot restore into ${directory}: it holds ${what}; use an empty directory`, {
    file: directory,
  });
}

/** Makes sure that the directory is new, or that of this very restore; answers the note that says so. */
async function prepare(vfs: Vfs, directory: string, wanted: Omit<Note, "log">): Promise<Note> {
  const path = `${directory}/${RESTORE_NOTE}`;
  const found = await readNote(vfs, path);
  if (found === DAMAGED) {
    throw new LogError("CORRUPT_FILE", `Cannot restore: ${path} is damaged; use an empty directory`, { file: path });
  }
  let note = found as Note | undefined;
  if (note === undefined) {
    await refuseOthers(vfs, directory);
    const id = new Uint8Array(16);
    systemRandom(id);
    note = { log: toHex(id), ...wanted };
    await writeNote(vfs, directory, RESTORE_NOTE, note);
  }
  const { cluster, topic, partitions } = note;
  if (cluster !== wanted.cluster || topic !== wanted.topic || partitions !== wanted.partitions) {
    throw new LogError(
      "CONFLICT",
      `Cannot go on restoring into ${directory}: that was topic ${topic} with ${partitions} partitions of cluster ${cluster}; ` +
        "use an empty directory",
      { file: path },
    );
  }
  for (let shard = 0; shard < partitions; shard++) await vfs.makeDirectory(shardDirectory(directory, topic, shard));
  await vfs.syncDirectory(directory);
  return note;
}

async function fetchAll(
  restores: readonly ShardRestore[],
  stop: AbortController,
  topic: KafkaTopic,
  { onProgress }: RestoreOptions,
): Promise<void> {
  const waiting = [...restores];
  const tell = (): void => {
    const { records, bytes } = resultOf(restores);
    onProgress?.({
      records,
      bytes,
      lag: restores.reduce((sum, { end, nextOffset }) => sum + Math.max(0, end - nextOffset), 0),
    });
  };
  const watch = setInterval(tell, 1000);
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      stop.signal.throwIfAborted();
      try {
        await next.run();
      } catch (error) {
        stop.abort(error);
        topic.close();
        throw error;
      }
    }
  };
  try {
    await Promise.allSettled(Array.from({ length: AT_ONCE }, work));
    // The failure that came first is the reason of the others.
    if (stop.signal.aborted) throw stop.signal.reason;
    tell();
  } finally {
    clearInterval(watch);
  }
}

async function verify(vfs: Vfs, directory: string, signal: AbortSignal | undefined): Promise<void> {
  const damages: Damage[] = [];
  const observer = { damage: (damage: Damage) => void damages.push(damage), note: () => {}, progress: () => {} };
  await verifyLog({ vfs, clock: systemClock, codecs: runtimeCodecs }, directory, observer, signal);
  const [first] = damages;
  if (first === undefined) return;
  throw new LogError(
    "CORRUPT_FILE",
    `Cannot trust the log restored into ${directory}: ${first.file}, position ${first.position}: ${first.what}; restore it again`,
    { file: first.file, position: first.position },
  );
}

function resultOf(restores: readonly ShardRestore[]): RestoreResult {
  return {
    records: restores.reduce((sum, { records }) => sum + records, 0),
    bytes: restores.reduce((sum, { bytes }) => sum + bytes, 0),
    shards: restores.map(({ logStart, nextOffset }) => ({ earliest: logStart, nextOffset })),
  };
}
