/**
 * `bimiplog read`: records to stdout.
 *
 * @module
 */
import { openLog } from "../../mod.ts";
import type { LogError } from "../errors.ts";
import type { Log } from "../log/log_types.ts";
import type { LogRecord } from "../read/stored_record.ts";
import type { Arguments } from "./arguments.ts";
import { type Command, type Context, sayFailure } from "./command.ts";
import { EXIT_CORRUPT, EXIT_DONE, UsageError } from "./exit_codes.ts";
import { recordJson } from "./json.ts";
import { parseEnd, parseHeaders, parseStart } from "./read_start.ts";
import { type Query, selectRecords } from "./select_records.ts";

/** While following, a record waits so long for others to be written out with. */
const FOLLOW_FLUSH_MS = 5;

const DETAILS = `
Prints the value of each record and a line end. Works beside a writer and sees what it has published. Records of
several shards are merged by their time. At damaged data: what is readable before it, one line on stderr, exit code 3.

  --shard N            only this shard
  --from OFFSET        start there; on a log with several shards together with --shard
  --from earliest      start at the first record (default); latest: behind the last one
  --from ISO-TIME      start at the first record with this time, such as 2026-01-31T12:00:00Z
  --before OFFSET      end in front of it; on a log with several shards together with --shard
  --before ISO-TIME    end where --from with this time would start; not together with --follow
  --user KEY           only records of this user: those with this key on its shard
  --key KEY            only records with this key, wherever they are; not together with --user
  --header NAME        only records with this header; NAME=VALUE: with this value. More than one: all of them
  --last N             only the newest N of these records
  --limit N            at most N records, then end
  --reverse            newest first; not together with --follow
  --follow             wait for more at the end
  --on-corrupt skip    read on behind damaged data (the exit code is still 3)
  --json               one object a line: {"shard","offset","timestamp","key","value","headers"}, with text as text,
                       other bytes as {"base64":"…"}, and headers as pairs
`;

export const readCommand: Command = {
  name: "read",
  synopsis: "DIR [--shard N] [--from OFFSET|earliest|latest|ISO-TIME] [--before OFFSET|ISO-TIME]\n" +
    "                     [--user KEY | --key KEY] [--header NAME[=VALUE]] [--last N] [--limit N]\n" +
    "                     [--reverse | --follow] [--on-corrupt skip] [--json]",
  summary: "print records",
  details: DETAILS,
  options: {
    shard: "value",
    from: "value",
    before: "value",
    user: "value",
    key: "value",
    header: "value",
    last: "value",
    limit: "value",
    reverse: "flag",
    follow: "flag",
    "on-corrupt": "value",
    json: "flag",
  },
  readsOnly: true,
  run: read,
};

async function read(context: Context): Promise<number> {
  const { args, interruption } = context;
  const directory = args.only("directory");
  const gaps: LogError[] = [];
  const query = queryOf(args, interruption.signal, (error) => gaps.push(error));
  const log = await openLog(directory, { readOnly: true, signal: interruption.signal });
  try {
    checkQuery(query, log);
    await print(selectRecords(log, query), context, gaps);
  } catch (error) {
    if (!interruption.isReason(error)) throw error;
  } finally {
    await log.close();
  }
  return gaps.length > 0 ? EXIT_CORRUPT : EXIT_DONE;
}

function queryOf(args: Arguments, signal: AbortSignal, onGap: (error: LogError) => void): Query {
  const from = args.value("from");
  const before = args.value("before");
  exclude(args, "user", "key");
  exclude(args, "follow", "reverse");
  exclude(args, "follow", "before");
  return {
    shard: args.wholeNumber("shard", 0),
    from: from === undefined ? "earliest" : parseStart(from),
    before: before === undefined ? undefined : parseEnd(before),
    user: args.value("user"),
    key: args.value("key"),
    headers: parseHeaders(args.values("header")),
    last: args.wholeNumber("last", 0),
    limit: args.wholeNumber("limit", 0),
    reverse: args.flag("reverse"),
    follow: args.flag("follow"),
    skip: args.oneOf("on-corrupt", ["skip", "stop"]) === "skip",
    onGap: (gap) => onGap(gap.error),
    signal,
  };
}

function exclude(args: Arguments, one: string, other: string): void {
  if (args.flag(one) && args.flag(other)) throw new UsageError(`--${one} and --${other} do not go together`);
}

/** What only the log itself can tell about the options. */
function checkQuery({ shard, from, before, user }: Query, log: Log): void {
  const count = log.shards.length;
  if (shard !== undefined && shard >= count) {
    const range = count === 1 ? "this log has only shard 0" : `this log has shards 0 to ${count - 1}`;
    throw new UsageError(`there is no shard ${shard}: ${range}`);
  }
  if (count === 1 || shard !== undefined || user !== undefined) return;
  for (const [option, place] of Object.entries({ from, before })) {
    if (typeof place !== "number") continue;
    throw new UsageError(
      `--${option} ${place} needs --shard, because this log has ${count} shards with offsets of their own`,
    );
  }
}

async function print(records: AsyncIterable<LogRecord>, context: Context, gaps: LogError[]): Promise<void> {
  const { args, stdout, interruption } = context;
  const json = args.flag("json");
  if (args.flag("follow")) stdout.autoFlushMs = FOLLOW_FLUSH_MS;
  let told = 0;
  for await (const record of records) {
    if (told < gaps.length) told = await tellGaps(context, gaps, told);
    const { value } = record;
    const written = json ? stdout.text(`${recordJson(record)}\n`) : stdout.line(value ?? NOTHING);
    if (written instanceof Promise) await written;
    if (interruption.signal.aborted) break;
  }
  await tellGaps(context, gaps, told);
}

const NOTHING = new Uint8Array(0);

/** Says on stderr what was passed over, once what stands before it is printed. */
async function tellGaps(context: Context, gaps: readonly LogError[], from: number): Promise<number> {
  for (const error of gaps.slice(from)) {
    await context.stdout.flush();
    await sayFailure(context, error);
  }
  return gaps.length;
}
