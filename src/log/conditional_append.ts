/**
 * Appends that are done only where nothing has come in between: `ifOffset` and `ifUserOffset`.
 *
 * @module
 */
import type { Codecs } from "../batch/codecs.ts";
import type { BytesInput, RecordInput } from "../batch/record_input.ts";
import { LogError } from "../errors.ts";
import type { Engine, SignalOptions } from "../options.ts";
import type { ReadOnlyShard } from "../shard/read_only_shard.ts";
import type { BACKPRESSURE } from "../shard/shard_types.ts";
import { MOVED } from "../shard/key_watch.ts";
import { ShardWriter } from "../shard/shard_writer.ts";
import type { WatchedKey, WatchedKeys } from "../shard/watched_keys.ts";
import type { Clock } from "../vfs.ts";
import { untilAborted } from "../aborting.ts";
import type { AppendQueue } from "./append_queue.ts";
import { bytesOf } from "./key_bytes.ts";

/** Tries in a row while workers claim in between; then they get a moment. */
const MAX_TRIES = 64;
const PAUSE_MS = 1;

/** Conditions of an append. */
export interface Conditions extends SignalOptions {
  ifOffset?: number;
  ifUserOffset?: number;
}

/** What is needed of a log. */
export interface UserLog {
  readonly shards: readonly unknown[];
  user(key: BytesInput): { head(): Promise<{ readonly offset: number } | undefined> };
}

/** What is asked for the newest offset of a key among what is published; -1: there is none. */
type UserHead = () => Promise<number>;

/** What an append under conditions needs to know of its log. */
interface ConditionalPlace {
  readonly shard: ShardWriter;
  readonly queue: AppendQueue;
  readonly codecs: Codecs;
  readonly clock: Clock;
}

/** The shard where it can be written; a read-only one throws its reason. */
export function writable(shard: ShardWriter | ReadOnlyShard): ShardWriter {
  if (shard instanceof ShardWriter) return shard;
  shard.tryAppend();
  throw new LogError("READ_ONLY", `Cannot append to shard ${shard.id}: it is open for reading only`, {
    shard: shard.id,
  });
}

/** The record's offset, once its conditions hold; `undefined` where it has none. */
export function takeIf(
  log: UserLog,
  engine: Pick<Engine, "codecs" | "clock">,
  anyShard: ShardWriter | ReadOnlyShard,
  queue: AppendQueue,
  record: RecordInput,
  conditions: Conditions,
): Promise<number> | undefined {
  if (!hasConditions(conditions)) return undefined;
  const { ifOffset, ifUserOffset, signal } = conditions;
  const { key } = record;
  const place: ConditionalPlace = { shard: writable(anyShard), queue, codecs: engine.codecs, clock: engine.clock };
  const isKeyed = key !== undefined && key !== null;
  if (!isKeyed && (ifUserOffset !== undefined || log.shards.length > 1)) {
    throw new TypeError("Cannot append a record on a condition: give it a key, which names its user and its shard");
  }
  if (!isKeyed || ifUserOffset === undefined) return appendAtOffset(place, record, ifOffset!, signal);
  const userHead = async (): Promise<number> => (await log.user(key).head())?.offset ?? -1;
  return appendForUser(place, record, bytesOf(key), { ...conditions, ifUserOffset }, userHead);
}

/** True where an append has a condition. Throws where one is out of range. */
function hasConditions({ ifOffset, ifUserOffset }: Conditions): boolean {
  check("ifOffset", ifOffset, 0);
  check("ifUserOffset", ifUserOffset, -1);
  return ifOffset !== undefined || ifUserOffset !== undefined;
}

/** Appends where the shard's next offset is `ifOffset`: decided within the call where there is room. */
async function appendAtOffset(
  { shard, queue }: ConditionalPlace,
  record: RecordInput,
  ifOffset: number,
  signal: AbortSignal | undefined,
): Promise<number> {
  try {
    const taken = queue.run(() => {
      const offset = shard.tryAppendAt(record, ifOffset);
      if (offset === MOVED) throw offsetConflict(shard, ifOffset, shard.nextOffset);
      return offset;
    }, signal);
    return typeof taken === "number" ? taken : await taken;
  } catch (error) {
    return await toldOncePublished(shard, error, signal);
  }
}

/** Appends where the newest record of the key has the offset `ifUserOffset`. */
async function appendForUser(
  place: ConditionalPlace,
  record: RecordInput,
  key: Uint8Array,
  conditions: Conditions & { ifUserOffset: number },
  userHead: UserHead,
): Promise<number> {
  try {
    return await appendWatched(place, record, key, conditions, userHead);
  } catch (error) {
    return await toldOncePublished(place.shard, error, conditions.signal);
  }
}

/**
 * Whoever is told of a conflict reads what came in between and tries again. Were that not published by then, he would turn in circles,
 * so fast that nobody gets to write it.
 */
async function toldOncePublished(shard: ShardWriter, error: unknown, signal: AbortSignal | undefined): Promise<never> {
  const isConflict = error instanceof LogError && error.actual !== undefined;
  const end = !isConflict ? 0 : error.reason === "OFFSET_MISMATCH" ? error.actual! : error.actual! + 1;
  await untilPublished(shard, end, signal);
  throw error;
}

async function untilPublished(shard: ShardWriter, end: number, signal?: AbortSignal): Promise<void> {
  if (shard.written >= end) return;
  shard.requestFlush();
  await shard.acknowledged(end - 1, "os", signal === undefined ? {} : { signal });
}

async function appendWatched(
  { shard, queue, codecs, clock }: ConditionalPlace,
  record: RecordInput,
  key: Uint8Array,
  conditions: Conditions & { ifUserOffset: number },
  userHead: UserHead,
): Promise<number> {
  const { signal } = conditions;
  const watch = shard.watch.start(codecs);
  const watched = watch.pin(key);
  try {
    for (;;) {
      signal?.throwIfAborted();
      while (!watched.isKnown) {
        watched.lookup ??= lookUp(shard, watch, watched, userHead).finally(() => watched.lookup = undefined);
        await (signal === undefined ? watched.lookup : untilAborted(watched.lookup, signal));
      }
      const taken = queue.run(() => claim(shard, record, watched, conditions), signal);
      const offset = typeof taken === "number" ? taken : await taken;
      if (offset !== MOVED) return offset;
      await new Promise<void>((resolve) => clock.setTimer(resolve, PAUSE_MS));
    }
  } finally {
    watch.unpin(watched);
  }
}

/** One step: nobody else's record comes between the comparison and the offset. `MOVED` where that could not be had, or known. */
function claim(
  shard: ShardWriter,
  record: RecordInput,
  watched: WatchedKey,
  { ifUserOffset, ifOffset }: Conditions & { ifUserOffset: number },
): number | typeof BACKPRESSURE {
  for (let left = MAX_TRIES; left > 0; left--) {
    // Everything in front of it has passed the watch.
    const end = shard.watch.seenEnd();
    if (end === MOVED) continue;
    if (!watched.isKnown) return MOVED;
    if (ifOffset !== undefined && end !== ifOffset) throw offsetConflict(shard, ifOffset, end);
    if (watched.head !== ifUserOffset) throw userConflict(shard, ifUserOffset, watched.head);
    const offset = shard.tryAppendAt(record, end);
    if (offset !== MOVED) return offset;
  }
  return MOVED;
}

/** What was appended before the key was watched is published first, and then searched. */
async function lookUp(shard: ShardWriter, watch: WatchedKeys, watched: WatchedKey, userHead: UserHead): Promise<void> {
  const { version } = watch;
  await untilPublished(shard, shard.nextOffset);
  const head = await userHead();
  if (watch.version !== version) return;
  if (head > watched.head) watched.head = head;
  watched.isKnown = true;
}

function check(name: string, value: number | undefined, low: number): void {
  if (value === undefined || (Number.isSafeInteger(value) && value >= low)) return;
  throw new RangeError(`Cannot append a record: ${name} must be a whole number from ${low}, not ${String(value)}`);
}

function offsetConflict({ id }: ShardWriter, expected: number, actual: number): LogError {
  return new LogError(
    "CONFLICT",
    `Cannot append to shard ${id}: its next offset is ${actual}, not ${expected} as expected; read what came in between, decide anew`,
    { shard: id, reason: "OFFSET_MISMATCH", expected, actual },
  );
}

function userConflict({ id }: ShardWriter, expected: number, actual: number): LogError {
  const is = actual === -1 ? "the key has no record" : `the key's last record is at offset ${actual}`;
  return new LogError(
    "CONFLICT",
    `Cannot append to shard ${id}: ${is}, expected ${expected}; read what came in between, decide anew`,
    { shard: id, reason: "USER_OFFSET_MISMATCH", expected, actual },
  );
}
