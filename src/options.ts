/**
 * Options of a log, their defaults and ranges.
 *
 * @module
 */
import type { Codecs } from "./batch/codecs.ts";
import { type CodecName, HEADER_BYTES, MAX_SHARED_BATCH_BYTES } from "./batch/format.ts";
import type { LogError } from "./errors.ts";
import type { Logger } from "./telemetry/logger.ts";
import type { RetentionOptions } from "./retention/retention_options.ts";
import type { Clock, Random, Vfs } from "./vfs.ts";

/**
 * Whether bodies are written past the page cache (O_DIRECT): always where possible, never, or whichever is faster on this disk at
 * this time.
 */
export type DirectIo = boolean | "auto";

/**
 * How far a write has come when it is acknowledged. `os`: the operating system has it; it survives the end of the
 * process, kill -9 included. `disk`: it was synced; it survives a power loss.
 */
export type Rung = "os" | "disk";

/** Something that can be given up. */
export interface SignalOptions {
  /** Gives up waiting; the promise rejects with the signal's reason. What was taken stays taken. */
  signal?: AbortSignal;
}

/** Options of `openLog`. */
export interface OpenOptions extends SignalOptions {
  /**
   * Number of shards, 1–65,536. Fixed at creation: for an existing log it must be the same number.
   *
   * @default {1, or what the log has}
   */
  shards?: number;
  /**
   * Kafka topic name, 1–249 characters of `a-z A-Z 0-9 . _ -`. Fixed at creation.
   *
   * @default {the directory's name where that is a legal one, else "log"}
   */
  topic?: string;
  /** The rung on which `append`, `flush` and `acknowledged` answer. @default {"os"} */
  durability?: Rung;
  /**
   * Longest time a record stays in memory only, in milliseconds. 0: flushed as soon as the flush before is done.
   * `Infinity`: only by `stride`, `flushBytes` and `flush()`. At most 2,147,483,647 otherwise.
   *
   * @default {20}
   */
  flushIntervalMs?: number;
  /** Records that trigger a flush, from 1. @default {16_384} */
  stride?: number;
  /** Bytes that trigger a flush, from 1 to 67,108,864. @default {1_048_576} */
  flushBytes?: number;
  /** Size at which a batch is sealed, in bytes, 61–1,000,000. A single larger record gets a batch of its own. @default {65_536} */
  batchBytes?: number;
  /** Bytes a shard holds in memory before it answers `BACKPRESSURE`, from 1,024 to 1,073,741,824. @default {8_388_608} */
  maxBufferPerShard?: number;
  /** The same for all shards of the log together. @default {134_217_728} */
  maxBufferBytes?: number;
  /**
   * A shard is synced beside its writes whenever it has written more than so many bytes since the last sync, from 65,536; `Infinity`
   * for never. It bounds what a power loss can take, and how much the next opening scans (about a second a GiB); nobody waits for it,
   * but it takes the disk and the processor from the writes beside it.
   *
   * @default {1_073_741_824}
   */
  maxUnsyncedBytes?: number;
  /**
   * How the batches that `append` and `tryAppend` fill are compressed when they are sealed; those of `tryAppendBatch` stay as they are.
   * All limits count records as they are before. A batch that would not become smaller is stored plain. Reading needs no option.
   *
   * @default {"none"}
   */
  compression?: CodecName;
  /** Size at which a segment ends, in bytes, 1,024–2,147,483,647. @default {1_073_741_824} */
  segmentBytes?: number;
  /**
   * Large writes past the page cache. They run at the disk's own speed at a fraction of the processor time, while the page cache takes
   * a burst at the speed of memory and is throttled later. `"auto"` uses direct writes where records are synced before they are
   * acknowledged; elsewhere it begins with the page cache, measures both as it goes, and remembers for the next load, and for other logs
   * of the process on this disk, which is faster. Where the file system refuses, everything goes through the page cache.
   *
   * @default {"auto"}
   */
  directIo?: DirectIo;
  /**
   * The index of users (records with the same key) that `log.user` reads with, 0–4,096. A user's places are kept in runs of at most
   * so many; a user with more than that in a stretch of the log is read run by run, the newest first. 0: no index is kept, and
   * `log.user` scans what no index covers.
   *
   * @default {64}
   */
  userStride?: number;
  /**
   * Memory for the newest places of users, in bytes, for all shards of the log together, from 4,096 to 4,294,967,296. Once a
   * quarter of it is taken, or after `indexLagBytes`, that goes to a file; the rest is for what comes meanwhile, and for keys that are not written yet. A shard
   * takes at least 8 KiB, and about 2 MiB more for buffers while it writes or merges tables.
   *
   * @default {67_108_864}
   */
  userTableBytes?: number;
  /**
   * So much of a shard's log may be in no file of the user index, in bytes, from 4,096 to 4,294,967,296; four times as much where no
   * record in it has a key. After the process was killed the first reader of a user scans at most so much (about 0.2 s for the default).
   *
   * @default {67_108_864}
   */
  indexLagBytes?: number;
  /** Which records the log drops by itself. @default {none} */
  retention?: RetentionOptions;
  /**
   * Appends are refused with `DISK_FULL` while the file system has fewer free bytes than this and what is taken but not written yet, and go
   * on by themselves once it has; `shard.writable()` waits for that. So the disk is never full for a write, which would end the
   * shard until it is opened again. Looked at once a second while records are written, and after each sixteenth of it, 64 KiB to
   * 16 MiB; a program that fills the disk faster may still win. Producers in other threads are not held back. On Deno it needs
   * `--allow-sys=statfs`. 0: off.
   *
   * @default {0}
   */
  minFreeBytes?: number;
  /** Reads only: takes no lock, writes nothing, works beside a writer in another process. @default {false} */
  readOnly?: boolean;
  /** Opens although acknowledged data is not there any more; what is left is kept. @default {false} */
  acceptDataLoss?: boolean;
  /**
   * Writes on a network file system too. Locks, syncs and rewritten sectors promise less there, or nothing: a second writer may
   * get in, and what was acknowledged may be lost. Known on Linux only; reading needs no consent.
   *
   * @default {false}
   */
  allowNetworkFileSystem?: boolean;
  /**
   * How long a shard remembers a producer of ready-to-write batches that sends nothing, in milliseconds from 1; `Infinity` for always.
   * Named producers are always remembered. See `docs/exactly_once.md`.
   *
   * @default {86_400_000}
   */
  producerExpiryMs?: number;
  /** Called once for each shard that is poisoned. */
  onError?: (error: LogError) => void;
  /** Is told what the log does, in sentences with fields. What it throws is dropped. `console` is one. See {@linkcode Logger}. */
  logger?: Logger;
  /** A sync that takes so long is told to the logger as a warning, in milliseconds, from 0. @default {1000} */
  slowSyncMs?: number;
  /** The file system. @default {the running runtime's own} */
  vfs?: Vfs;
  /** Time. @default {the system's} */
  clock?: Clock;
  /** Randomness, for the log's id. @default {the system's} */
  random?: Random;
  /** Compression. @default {the running runtime's own, with those of the packages `lz4-napi` and `snappy` where they are installed} */
  codecs?: Codecs;
}

/** What the engine is given to work with. */
export interface Engine {
  readonly vfs: Vfs;
  readonly clock: Clock;
  readonly random: Random;
  readonly codecs: Codecs;
}

/** Checked numbers for a shard. */
export interface Limits {
  readonly flushIntervalMs: number;
  readonly stride: number;
  readonly flushBytes: number;
  readonly batchBytes: number;
  readonly maxBufferPerShard: number;
  readonly maxBufferBytes: number;
  readonly segmentBytes: number;
  readonly directIo: DirectIo;
  readonly maxUnsyncedBytes: number;
  readonly userStride: number;
  readonly userTableBytes: number;
  readonly indexLagBytes: number;
  readonly slowSyncMs: number;
  readonly producerExpiryMs: number;
  readonly minFreeBytes: number;
}

const MIB = 1024 * 1024;
const MAX_DELAY_MS = 2 ** 31 - 1;

function whole(name: string, value: number | undefined, fallback: number, low: number, high: number): number {
  if (value === undefined) return fallback;
  if (!Number.isSafeInteger(value) || value < low || value > high) {
    throw new RangeError(
      `Cannot open a log: ${name} must be a whole number from ${low} to ${high}, not ${String(value)}`,
    );
  }
  return value;
}

/**
 * Checks the numbers among the options and fills in the defaults.
 *
 * @throws {RangeError} where one is out of range; the message names it and its range.
 */
export function resolveLimits(options: OpenOptions): Limits {
  const interval = options.flushIntervalMs ?? 20;
  // Runtimes let a timer with a longer delay fire at once.
  if (typeof interval !== "number" || !(interval >= 0) || (interval > MAX_DELAY_MS && interval !== Infinity)) {
    throw new RangeError(
      `Cannot open a log: flushIntervalMs must be from 0 to ${MAX_DELAY_MS}, or Infinity, not ${String(interval)}`,
    );
  }
  if (options.durability !== undefined && options.durability !== "os" && options.durability !== "disk") {
    throw new RangeError(`Cannot open a log: durability must be "os" or "disk", not ${String(options.durability)}`);
  }
  const directIo = options.directIo ?? "auto";
  if (directIo !== "auto" && typeof directIo !== "boolean") {
    throw new RangeError(`Cannot open a log: directIo must be true, false or "auto", not ${String(directIo)}`);
  }
  const maxUnsyncedBytes = options.maxUnsyncedBytes === Infinity
    ? Infinity
    : whole("maxUnsyncedBytes", options.maxUnsyncedBytes, 1024 * MIB, 64 * 1024, Number.MAX_SAFE_INTEGER);
  const producerExpiryMs = options.producerExpiryMs === Infinity
    ? Infinity
    : whole("producerExpiryMs", options.producerExpiryMs, 24 * 60 * 60 * 1000, 1, Number.MAX_SAFE_INTEGER);
  return {
    directIo,
    maxUnsyncedBytes,
    slowSyncMs: whole("slowSyncMs", options.slowSyncMs, 1000, 0, MAX_DELAY_MS),
    producerExpiryMs,
    minFreeBytes: whole("minFreeBytes", options.minFreeBytes, 0, 0, Number.MAX_SAFE_INTEGER),
    flushIntervalMs: interval,
    stride: whole("stride", options.stride, 16_384, 1, 2 ** 30),
    flushBytes: whole("flushBytes", options.flushBytes, MIB, 1, 64 * MIB),
    batchBytes: whole("batchBytes", options.batchBytes, 64 * 1024, HEADER_BYTES, MAX_SHARED_BATCH_BYTES),
    maxBufferPerShard: whole("maxBufferPerShard", options.maxBufferPerShard, 8 * MIB, 1024, 1024 * MIB),
    maxBufferBytes: whole("maxBufferBytes", options.maxBufferBytes, 128 * MIB, 1024, 16 * 1024 * MIB),
    userStride: whole("userStride", options.userStride, 64, 0, 4096),
    userTableBytes: whole("userTableBytes", options.userTableBytes, 64 * MIB, 4096, 4096 * MIB),
    indexLagBytes: whole("indexLagBytes", options.indexLagBytes, 64 * MIB, 4096, 4096 * MIB),
    segmentBytes: whole("segmentBytes", options.segmentBytes, 1024 * MIB, 1024, 2 ** 31 - 1),
  };
}

/** Checks `shards`; `undefined` where the caller leaves it to the log. */
export function resolveShards(options: OpenOptions): number | undefined {
  return options.shards === undefined ? undefined : whole("shards", options.shards, 1, 1, 65_536);
}
