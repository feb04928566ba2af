/**
 * What a shard counts while it works: once for each flush, write or sync, never for a record.
 *
 * @module
 */
import { batchBytesAt } from "../batch/format.ts";
import { Histogram } from "./histogram.ts";
import { type Tell, tellNobody } from "./logger.ts";

/** The last failure of a shard. */
export interface LastError {
  /** Code of the `LogError`. */
  readonly code: string;
  /** What it says. */
  readonly message: string;
  /** When, in milliseconds since 1970. */
  readonly timestamp: number;
}

/** The part of a clock that is needed here. */
export interface TelemetryClock {
  now(): number;
  monotonic(): number;
}

/** Counters of one shard, and the way to its log's logger. */
export class ShardTelemetry {
  readonly shard: number;
  /** Requests to write what was taken that had something to write. */
  flushes = 0;
  /** Writes that were acknowledged: of one flush there may be several. */
  commits = 0;
  syncs = 0;
  batches = 0;
  bytesWritten = 0;
  bytesDirect = 0;
  bytesCached = 0;
  /** Of what was written: so much is synced. */
  bytesSynced = 0;
  refusals = 0;
  waits = 0;
  waitMs = 0;
  segments: number;
  rolls = 0;
  lastError: LastError | undefined = undefined;
  /** How the last body was written. */
  lastMode: "direct" | "cached" | undefined = undefined;
  readonly flushLatency: Histogram = new Histogram();
  readonly syncLatency: Histogram = new Histogram();
  readonly #clock: TelemetryClock;
  readonly #slowSyncMs: number;
  readonly #tell: Tell;

  constructor(
    shard: number,
    segments: number,
    clock: TelemetryClock,
    slowSyncMs: number = Infinity,
    tell: Tell = tellNobody,
  ) {
    this.shard = shard;
    this.segments = segments;
    this.#clock = clock;
    this.#slowSyncMs = slowSyncMs;
    this.#tell = tell;
  }

  nowMs(): number {
    return this.#clock.monotonic();
  }

  /** A body is handed to the file system. */
  writing(bytes: number, mode: "direct" | "cached"): void {
    if (mode === "direct") this.bytesDirect += bytes;
    else this.bytesCached += bytes;
    this.lastMode = mode;
  }

  /** A body is in the file, and published. */
  wrote(bytes: Uint8Array, from: number, to: number): void {
    for (let at = from; at < to; at += batchBytesAt(bytes, at)) this.batches++;
    this.bytesWritten += to - from;
  }

  /** A chunk whose writing began at `startedMs` is acknowledged. */
  committed(startedMs: number): void {
    this.commits++;
    this.flushLatency.record(this.nowMs() - startedMs);
  }

  /** A sync that began at `startedMs` is done; it covers so many of the bytes written. `Infinity`: all that is known of. */
  synced(startedMs: number, bytes: number): void {
    this.syncs++;
    this.bytesSynced = Math.max(this.bytesSynced, bytes);
    const tookMs = this.nowMs() - startedMs;
    this.syncLatency.record(tookMs);
    if (tookMs < this.#slowSyncMs) return;
    const { shard } = this;
    const message = `shard ${shard}: a sync took ${Math.round(tookMs)} ms`;
    this.#tell("warn", "slowSync", message, { shard, durationMs: tookMs, limitMs: this.#slowSyncMs });
  }

  rolled(base: number): void {
    this.rolls++;
    this.segments++;
    const { shard, segments } = this;
    this.#tell("debug", "roll", `shard ${shard}: a new segment begins at offset ${base}`, { shard, base, segments });
  }

  /** Somebody waited for room since `startedMs`. */
  waited(startedMs: number): void {
    this.waitMs += Math.max(0, this.nowMs() - startedMs);
  }

  indexGivenUp(base: number): void {
    const { shard } = this;
    const message = `shard ${shard}: the index of the segment at offset ${base} cannot be written; ` +
      "reading scans instead, and the next opening makes it again";
    this.#tell("warn", "indexGivenUp", message, { shard, base });
  }

  backgroundFailed(error: unknown): void {
    const { shard } = this;
    const message = `shard ${shard}: a sync in the background failed; nothing more is acknowledged`;
    this.#tell("error", "backgroundSyncFailed", message, { shard, error });
  }

  poisoned(error: Error & { readonly code: string }): void {
    const { shard } = this;
    this.lastError = { code: error.code, message: error.message, timestamp: this.#clock.now() };
    this.#tell("error", "poisoned", `shard ${shard} takes no records any more: ${error.message}`, { shard, error });
  }
}
