/**
 * What `log.consumerHandle()` gives, and what a worker makes of it.
 *
 * @module
 */
import { LogError } from "../errors.ts";
import type { GroupOptions } from "./types.ts";

/** Changes when both sides would misunderstand each other: a worker may have bundled another version of the package. */
export const CONSUMER_HANDLE_VERSION = 2;

/**
 * A member of a consumer's group on its way to a worker: plain data around shared memory. Post it, or pass it as `workerData`, and give it
 * to `connectConsumer` of `@bimip/log/consumer` there.
 */
export interface ConsumerHandle {
  /** Says what it is, after all types are gone. */
  readonly kind: "bimiplog-consumer";
  /** Version of its content. */
  readonly version: number;
  /** Shared memory and settings, for `connectConsumer` only. */
  readonly content: unknown;
}

/** The content of a handle of an embedded log. */
export interface ConsumerHandleContent {
  readonly name: string;
  readonly directory: string;
  readonly shards: number;
  readonly from: "earliest" | "latest";
  readonly leaseMs: number;
  /** Shared by this worker and the log's thread. */
  readonly block: SharedArrayBuffer;
  /** Rung when the log's thread should look. */
  readonly bell: SharedArrayBuffer;
}

/** The content of a handle of a log on a cluster: a worker has connections of its own, and joins the group there by itself. */
export interface ClusterHandleContent {
  readonly name: string;
  /** Which topic, and how it is reached; for the code that connects to clusters. */
  readonly cluster: unknown;
  readonly partitions: number;
  readonly group: GroupOptions;
  /** Says whether a worker has it, and whether the log is closed; it has no shards. */
  readonly block: SharedArrayBuffer;
}

/**
 * The content of a handle.
 *
 * @throws {TypeError} where it is none.
 * @throws {LogError} `UNSUPPORTED` where it is one of another version.
 */
export function consumerContentOf(handle: ConsumerHandle): ConsumerHandleContent | ClusterHandleContent {
  if (typeof handle !== "object" || handle === null || handle.kind !== "bimiplog-consumer") {
    throw new TypeError("Cannot connect the consumer: it must be what log.consumerHandle() gave");
  }
  if (handle.version !== CONSUMER_HANDLE_VERSION) {
    const versions = `${String(handle.version)} and ${CONSUMER_HANDLE_VERSION}`;
    throw new LogError(
      "UNSUPPORTED",
      `Cannot connect the consumer: its handle and this code are of versions ${versions}; use one version of @bimip/log`,
    );
  }
  return handle.content as ConsumerHandleContent | ClusterHandleContent;
}
