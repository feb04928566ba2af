/**
 * `bimiplog append`: records from the lines of stdin.
 *
 * @module
 */
import { openLog } from "../../mod.ts";
import { LogError } from "../errors.ts";
import type { Log } from "../log/log_types.ts";
import type { Rung } from "../options.ts";
import { Acknowledgements } from "./acknowledgements.ts";
import type { Arguments } from "./arguments.ts";
import { type Command, type Context, say } from "./command.ts";
import { ClosedPipeError, EXIT_DONE, UsageError } from "./exit_codes.ts";
import { Input } from "./input.ts";
import { LineAppender, MAX_RECORD_BYTES } from "./line_appender.ts";

const DETAILS = `
Creates the log where there is none. A line ends at LF, a CR before it is dropped; an empty line is an empty
value; the last line needs no LF. A record that is too large ends it with the number of its line; what came before is
kept. SIGINT and SIGTERM write what was taken, close the log and end with 130 and 143.

  --shards N              shards of a new log (default 1); an existing log keeps its own
  --durability os|disk    what acknowledged means: the operating system has it (default), or it is synced
  --key-separator C       the key is what stands before the first C of a line; a line without C has no key
  --acks                  print "shard offset" for each record once it is acknowledged, in the order of offsets
                          within a shard
  --json                  with --acks: {"shard":0,"offset":0} instead
`;

export const appendCommand: Command = {
  name: "append",
  synopsis: "DIR [--shards N] [--durability os|disk] [--key-separator C] [--acks] [--json]",
  summary: "append the lines of stdin as records",
  details: DETAILS,
  options: { shards: "value", durability: "value", "key-separator": "value", acks: "flag", json: "flag" },
  run: append,
};

async function append(context: Context): Promise<number> {
  const { args, stdout, interruption } = context;
  const directory = args.only("directory");
  const shards = args.wholeNumber("shards", 1, 65_536);
  const durability: Rung = args.oneOf("durability", ["os", "disk"]) ?? "os";
  const separator = separatorOf(args);
  let failure: unknown;
  const log = await openLog(directory, {
    durability,
    maxBufferPerShard: MAX_RECORD_BYTES,
    signal: interruption.signal,
    onError: (error) => failure ??= error,
    ...(shards === undefined ? {} : { shards }),
  });
  await tellRecovery(context, log);
  await refuseDamaged(log);
  const acks = args.flag("acks") ? new Acknowledgements(log.shards, durability, stdout, args.flag("json")) : undefined;
  const appender = new LineAppender(log, separator, acks);
  try {
    await appendInput(appender, acks, context);
  } catch (error) {
    failure ??= error;
  }
  // Whatever happened: what was taken is written and acknowledged, as far as that still goes.
  for (const step of [() => log.flush(), () => drain(acks, context), () => log.close()]) {
    try {
      await step();
    } catch (error) {
      // That nobody reads any more is no reason to hide that something went wrong.
      if (failure === undefined || failure instanceof ClosedPipeError) failure = error;
    }
  }
  if (failure !== undefined) throw explained(failure, log, durability);
  return EXIT_DONE;
}

/** Appends until the input ends, somebody interrupts, or nobody reads the acknowledgements any more. */
async function appendInput(
  appender: LineAppender,
  acks: Acknowledgements | undefined,
  context: Context,
): Promise<void> {
  const input = new Input(context.streams.stdin);
  const { signal } = context.interruption;
  signal.addEventListener("abort", () => input.stop(), { once: true });
  acks?.failed.catch((error) => input.fail(error));
  for (let chunk = await input.next(); chunk !== undefined; chunk = await input.next()) await appender.take(chunk);
  // Interrupted: the beginning of a line that never ended is no record.
  if (input.ended && !signal.aborted) await appender.end();
}

/** Waits until the acknowledgements are out; once interrupted, only for a moment. */
async function drain(acks: Acknowledgements | undefined, { interruption }: Context): Promise<void> {
  if (acks === undefined) return;
  await Promise.race([acks.drained(), acks.failed, interruption.overdue]);
}

function separatorOf(args: Arguments): Uint8Array | undefined {
  const text = args.value("key-separator");
  if (text === "") throw new UsageError("--key-separator must not be empty");
  return text === undefined ? undefined : new TextEncoder().encode(text);
}

/** What opening had to put right. */
async function tellRecovery(context: Context, log: Log): Promise<void> {
  for (const { shard, verdict, cutBytes, keptAside } of log.recovery) {
    if (verdict === "corrupt") {
      // Where no shard is left that takes records, the failure that follows says so.
      const isUsable = log.shards.some(({ state }) => state === "open");
      if (isUsable) await say(context, `shard ${shard} is damaged and takes no records; see bimiplog verify`);
    } else if (verdict === "loss" || cutBytes > 0) {
      const kept = keptAside === undefined ? "" : `, kept in ${keptAside}`;
      const what = verdict === "loss" ? "records are lost" : "the log was not closed";
      await say(context, `shard ${shard}: ${what}; ${cutBytes} bytes behind the last good record were cut off${kept}`);
    }
  }
}

/**
 * Nothing is read from stdin where no shard takes records.
 *
 * @throws {LogError} `READ_ONLY`: the reason of the first shard.
 */
async function refuseDamaged(log: Log): Promise<void> {
  if (log.shards.some((shard) => shard.state === "open")) return;
  try {
    await log.shards[0].writable();
  } finally {
    await log.close();
  }
}

/** Adds what became of the records that were taken. */
function explained(failure: unknown, log: Log, rung: Rung): unknown {
  if (!(failure instanceof LogError)) return failure;
  const lost = log.shards.filter((shard) => (rung === "disk" ? shard.synced : shard.written) < shard.nextOffset);
  if (lost.length === 0) return failure;
  const which = lost.map((shard) => `shard ${shard.id} from offset ${rung === "disk" ? shard.synced : shard.written}`);
  const message = `${failure.message}; what was taken is not acknowledged on ${which.join(", ")}`;
  return new LogError(failure.code, message, { cause: failure.cause });
}
