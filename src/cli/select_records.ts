/**
 * The records that a `read` asks for.
 *
 * @module
 */
import { equalBytes } from "../bytes.ts";
import type { Log, UserReadOptions } from "../log/log_types.ts";
import type { ReadOptions } from "../read/read_options.ts";
import type { GapEvent } from "../read/shard_batches.ts";
import type { LogRecord } from "../read/stored_record.ts";
import type { parseStart } from "./read_start.ts";

/** What is asked for. */
export interface Query {
  readonly shard: number | undefined;
  readonly from: ReturnType<typeof parseStart>;
  readonly user: string | undefined;
  readonly last: number | undefined;
  readonly follow: boolean;
  /** Go on behind damaged data. */
  readonly skip: boolean;
  readonly onGap: (gap: GapEvent) => void;
  readonly signal: AbortSignal;
}

/** Reads what a query asks for. */
export function selectRecords(log: Log, query: Query): AsyncIterable<LogRecord> {
  const { shard, user, last } = query;
  if (user === undefined) {
    return log.read({
      ...readOptions(query),
      ...(shard === undefined ? {} : { shard }),
      ...(last === undefined ? {} : { last }),
    });
  }
  const own = log.shardFor(user).id;
  const plain = !query.skip && !(query.from instanceof Date) && (shard ?? own) === own;
  return plain ? readUser(log, user, query) : filterUser(log, user, shard ?? own, query);
}

function readUser(log: Log, user: string, { from, last, follow, signal }: Query): AsyncIterable<LogRecord> {
  const options: UserReadOptions = { follow, signal };
  if (from === "latest") options.from = log.shardFor(user).nextOffset;
  else if (typeof from === "number") options.from = from;
  if (last !== undefined) options.last = last;
  return log.user(user).read(options);
}

/** What a user's own stream cannot do: begin at a time, pass over damage, or look into another shard. */
async function* filterUser(log: Log, user: string, shard: number, query: Query): AsyncGenerator<LogRecord> {
  const key = new TextEncoder().encode(user);
  const matches = (record: LogRecord): boolean => record.key !== null && equalBytes(record.key, key);
  const { last, follow } = query;
  if (last === undefined) {
    for await (const record of log.read({ ...readOptions(query), shard })) if (matches(record)) yield record;
    return;
  }
  let kept: LogRecord[] = [];
  let next = log.shard(shard).nextOffset;
  for await (const record of log.read({ ...readOptions(query), shard, follow: false })) {
    next = Math.max(next, record.offset + 1);
    if (!matches(record)) continue;
    kept.push(record);
    if (kept.length >= 2 * last + 1024) kept = kept.slice(kept.length - last);
  }
  yield* kept.slice(Math.max(0, kept.length - last));
  if (!follow) return;
  for await (const record of log.read({ ...readOptions(query), shard, from: next })) if (matches(record)) yield record;
}

function readOptions({ from, follow, skip, onGap, signal }: Query): ReadOptions {
  return { from, follow, onCorrupt: skip ? "skip" : "stop", onGap, signal };
}
