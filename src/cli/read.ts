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
import { parseStart } from "./read_start.ts";
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
  --user KEY           only records with this key
  --last N             only the last N records
  --follow             wait for more at the end
  --on-corrupt skip    read on behind damaged data (the exit code is still 3)
  --json               one object a line: {"shard","offset","timestamp","key","value","headers"}, with text as text,
                       other bytes as {"base64":"…"}, and headers as pairs
`;

export const readCommand: Command = {
  name: "read",
  synopsis: "DIR [--shard N] [--from OFFSET|earliest|latest|ISO-TIME] [--user KEY] [--last N] [--follow]\n" +
    "                     [--on-corrupt skip] [--json]",
  summary: "print records",
  details: DETAILS,
  options: {
    shard: "value",
    from: "value",
    user: "value",
    last: "value",
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
  return {
    shard: args.wholeNumber("shard", 0),
    from: from === undefined ? "earliest" : parseStart(from),
    user: args.value("user"),
    last: args.wholeNumber("last", 0),
    follow: args.flag("follow"),
    skip: args.oneOf("on-corrupt", ["skip", "stop"]) === "skip",
    onGap: (gap) => onGap(gap.error),
    signal,
  };
}

/** What only the log itself can tell about the options. */
function checkQuery({ shard, from, user }: Query, log: Log): void {
  const count = log.shards.length;
  if (shard !== undefined && shard >= count) {
    const range = count === 1 ? "this log has only shard 0" : `this log has shards 0 to ${count - 1}`;
    throw new UsageError(`there is no shard ${shard}: ${range}`);
  }
  if (typeof from === "number" && count > 1 && shard === undefined && user === undefined) {
    throw new UsageError(
      `--from ${from} needs --shard, because this log has ${count} shards with offsets of their own`,
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
