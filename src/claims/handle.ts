/**
 * What `log.producer()` gives, and what a worker makes of it.
 *
 * @module
 */
import { LogError } from "../errors.ts";
import type { Rung } from "../options.ts";
import type { ProducerParts } from "./producer_memory.ts";

/** Changes when both sides would misunderstand each other: a worker may have bundled another version of the package. */
export const HANDLE_VERSION = 1;

/**
 * A producer on its way to a worker: plain data around shared memory. Post it, or pass it as `workerData`, and give it to
 * `connectProducer` of `@bimip/log/producer` there.
 */
export interface ProducerHandle {
  /** Says what it is, after all types are gone. */
  readonly kind: "bimiplog-producer";
  /** Version of its content. */
  readonly version: number;
  /** Shared memory and settings, for `connectProducer` only. */
  readonly content: unknown;
}

/** A shard as a producer sees it. */
export interface HandleShard {
  readonly id: number;
  readonly block: SharedArrayBuffer;
}

/** The content of a handle. */
export interface HandleContent extends ProducerParts {
  /** Rung when the log's thread should look. */
  readonly bell: SharedArrayBuffer;
  /** Those it may write, by number. */
  readonly shards: readonly HandleShard[];
  /** How many the log has: keys are spread over all of them. */
  readonly logShards: number;
  readonly batchBytes: number;
  readonly flushBytes: number;
  readonly stride: number;
  readonly flushIntervalMs: number;
  readonly durability: Rung;
}

/**
 * The content of a handle.
 *
 * @throws {TypeError} where it is none.
 * @throws {LogError} `UNSUPPORTED` where it is one of another version.
 */
export function contentOf(handle: ProducerHandle): HandleContent {
  if (typeof handle !== "object" || handle === null || handle.kind !== "bimiplog-producer") {
    throw new TypeError("Cannot use the producer: it must be what log.producer() gave");
  }
  if (handle.version !== HANDLE_VERSION) {
    const versions = `${String(handle.version)} and ${HANDLE_VERSION}`;
    throw new LogError(
      "UNSUPPORTED",
      `Cannot connect the producer: its handle and this code are of versions ${versions}; use one version of @bimip/log`,
    );
  }
  return handle.content as HandleContent;
}
