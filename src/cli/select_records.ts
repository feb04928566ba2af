/**
 * The records that a `read` asks for.
 *
 * @module
 */
import type { Log, UserReadOptions } from "../log/log_types.ts";
import type { ReadOptions } from "../read/read_options.ts";
import type { GapEvent } from "../read/shard_batches.ts";
import type { LogRecord } from "../read/stored_record.ts";
import type { parseEnd, parseStart } from "./read_start.ts";

/** What is asked for. */
export interface Query {
  readonly shard: number | undefined;
  readonly from: ReturnType<typeof parseStart>;
  readonly before: ReturnType<typeof parseEnd> | undefined;
  readonly user: string | undefined;
  readonly key: string | undefined;
  readonly headers: Readonly<Record<string, string | true>>;
  readonly last: number | undefined;
  readonly limit: number | undefined;
  readonly reverse: boolean;
  readonly follow: boolean;
  /** Go on behind damaged data. */
  readonly skip: boolean;
  readonly onGap: (gap: GapEvent) => void;
  readonly signal: AbortSignal;
}

/** Reads what a query asks for. */
export function selectRecords(log: Log, query: Query): AsyncIterable<LogRecord> {
  const { shard, from, before, user, key, headers, last, limit, reverse, follow, skip, onGap, signal } = query;
  const own = user === undefined ? undefined : log.shardFor(user).id;
  const hasHeaders = Object.keys(headers).length > 0;
  const isForIndex = !skip && !hasHeaders && !(from instanceof Date) && !(before instanceof Date);
  if (user !== undefined && isForIndex && (shard ?? own) === own) {
    const records = log.user(user).read(userOptions(log, user, query));
    return limit === undefined ? records : firstOf(records, limit);
  }
  // What a user's own stream cannot do: begin at a time, pass over damage, look at headers or into another shard.
  const options: ReadOptions = { from, reverse, follow, onCorrupt: skip ? "skip" : "stop", onGap, signal };
  const place = shard ?? own;
  const wanted = user ?? key;
  if (place !== undefined) options.shard = place;
  if (before !== undefined) options.before = before;
  if (last !== undefined) options.last = last;
  if (limit !== undefined) options.limit = limit;
  if (wanted !== undefined || hasHeaders) options.where = { headers, ...(wanted === undefined ? {} : { key: wanted }) };
  return log.read(options);
}

function userOptions(log: Log, user: string, { from, before, last, reverse, follow, signal }: Query): UserReadOptions {
  const options: UserReadOptions = { reverse, follow, signal };
  if (from === "latest") options.from = log.shardFor(user).nextOffset;
  else if (typeof from === "number") options.from = from;
  if (typeof before === "number") options.before = before;
  if (last !== undefined) options.last = last;
  return options;
}

async function* firstOf(records: AsyncIterable<LogRecord>, limit: number): AsyncGenerator<LogRecord> {
  if (limit === 0) return;
  let count = 0;
  for await (const record of records) {
    yield record;
    if (++count === limit) return;
  }
}
