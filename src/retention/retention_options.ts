/**
 * What may be dropped, and when: the options of retention.
 *
 * @module
 */

/** A finished segment that is about to be dropped. */
export interface DroppedSegment {
  /** Number of its shard. */
  readonly shard: number;
  /** Offset of its first record. */
  readonly baseOffset: number;
  /** Exclusive end of its offsets. */
  readonly nextOffset: number;
  /** Size of its `.log`. */
  readonly bytes: number;
  /** Path of its `.log`: a Kafka segment that nobody writes to any more. */
  readonly path: string;
}

/**
 * Which records a log may drop by itself. All limits hold for each shard on its own, as Kafka's hold for each partition. Only whole
 * finished segments are dropped, the oldest first, never the one that is written to; so a shard holds up to a segment more than a
 * limit says. Without any limit nothing is dropped.
 */
export interface RetentionOptions {
  /** The oldest segment is dropped while the others hold at least so many bytes of `.log`, from 1. @default {Infinity} */
  maxBytes?: number;
  /**
   * A segment is dropped once it is older than so many milliseconds, from 1: its largest timestamp and the time of its file's last
   * change both are, or that time alone is where its records have no timestamp. Whichever of the two is the older counts, so a
   * timestamp in the future keeps nothing for ever. At most one segment a check goes for its age, so a clock that jumps costs one
   * segment a check, not the log.
   *
   * @default {Infinity}
   */
  maxAgeMs?: number;
  /** The oldest segment is dropped while the others hold at least so many offsets, from 1. @default {Infinity} */
  maxRecords?: number;
  /**
   * Time between two checks, in milliseconds, 10–2,147,483,647. A check also comes whenever a segment is finished. The timer runs only
   * while there is something that time can make due, and keeps no process alive.
   *
   * @default {60_000}
   */
  checkIntervalMs?: number;
  /**
   * Called with each segment before its files are removed, also where `trimBefore` dropped it: to copy it somewhere else. Until it
   * settles nothing more of that shard is removed; appends never wait for it. Where it fails the segment stays, and is tried
   * again at the next check. After a crash it may be called again for the same segment.
   */
  beforeDrop?: (segment: DroppedSegment) => void | Promise<void>;
  /** Told why a segment could not be dropped: the failure of `beforeDrop`, or a `LogError` of the file system. */
  onError?: (error: unknown, segment: DroppedSegment) => void;
}

/** Checked options. */
export interface RetentionPolicy {
  readonly maxBytes: number;
  readonly maxAgeMs: number;
  readonly maxRecords: number;
  readonly checkIntervalMs: number;
  readonly beforeDrop: RetentionOptions["beforeDrop"];
  readonly onError: RetentionOptions["onError"];
}

const DEFAULT_CHECK_MS = 60_000;
const MAX_DELAY_MS = 2 ** 31 - 1;

/**
 * Checks the options and fills in the defaults.
 *
 * @throws {RangeError} where a number is out of range.
 * @throws {TypeError} where something has a wrong type.
 */
export function resolveRetention(options: RetentionOptions | undefined): RetentionPolicy {
  if (options !== undefined && (typeof options !== "object" || options === null)) {
    throw new TypeError("Cannot open a log: retention must be an object");
  }
  const { beforeDrop, onError, checkIntervalMs = DEFAULT_CHECK_MS } = options ?? {};
  for (const [name, hook] of [["beforeDrop", beforeDrop], ["onError", onError]] as const) {
    if (hook !== undefined && typeof hook !== "function") {
      throw new TypeError(`Cannot open a log: retention.${name} must be a function`);
    }
  }
  if (!(Number.isSafeInteger(checkIntervalMs) && checkIntervalMs >= 10 && checkIntervalMs <= MAX_DELAY_MS)) {
    throw new RangeError(
      `Cannot open a log: retention.checkIntervalMs must be a whole number from 10 to ${MAX_DELAY_MS}, not ${
        String(checkIntervalMs)
      }`,
    );
  }
  return {
    maxBytes: limit("maxBytes", options?.maxBytes),
    maxAgeMs: limit("maxAgeMs", options?.maxAgeMs),
    maxRecords: limit("maxRecords", options?.maxRecords),
    checkIntervalMs,
    beforeDrop,
    onError,
  };
}

function limit(name: string, value: number = Infinity): number {
  if (value === Infinity || (Number.isSafeInteger(value) && value >= 1)) return value;
  throw new RangeError(
    `Cannot open a log: retention.${name} must be a whole number from 1, or Infinity, not ${String(value)}`,
  );
}
