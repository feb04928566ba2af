/**
 * `bimiplog consumers`: how far the consumers of a log have come.
 *
 * @module
 */
import { runtimeCodecs } from "../../adapters/codecs.ts";
import { runtimeVfs } from "../../adapters/runtime.ts";
import { systemClock, systemRandom } from "../../adapters/system.ts";
import type { ResetOptions } from "../consumers/manage.ts";
import type { EmbeddedLog } from "../log/log.ts";
import { openWith } from "../log/open.ts";
import { quoted } from "./arguments.ts";
import type { Command, Context } from "./command.ts";
import { say } from "./command.ts";
import { EXIT_CORRUPT, EXIT_DONE, UsageError } from "./exit_codes.ts";
import { formatTable } from "./table.ts";

const DETAILS = `
Prints name, shard, committed offset (of the next record to read), end and lag of every consumer. Works beside a writer. Exit
code 3 where a consumer's file is damaged.

  --reset NAME   says anew where this consumer goes on; it must not be running
  --to PLACE     earliest, latest, or an offset
  --shard N      only this shard; an offset needs one where the log has several
  --delete NAME  removes this consumer; its name is new then
  --yes          does it; without it only says what would be done
  --json         one object a line
`;

export const consumersCommand: Command = {
  name: "consumers",
  synopsis: "DIR [--json] [--reset NAME --to earliest|latest|OFFSET [--shard N] | --delete NAME] [--yes]",
  summary: "tell how far consumers are",
  details: DETAILS,
  options: { json: "flag", reset: "value", to: "value", shard: "value", delete: "value", yes: "flag" },
  run: consumers,
};

async function consumers(context: Context): Promise<number> {
  const { args, interruption } = context;
  const directory = args.only("directory");
  const reset = args.value("reset");
  const remove = args.value("delete");
  if (reset !== undefined && remove !== undefined) throw new UsageError("--reset and --delete do not go together");
  const to = args.value("to");
  if ((reset === undefined) !== (to === undefined)) throw new UsageError("--reset and --to go together");
  const shard = args.wholeNumber("shard", 0, 65_535);
  if (shard !== undefined && reset === undefined) throw new UsageError("--shard goes with --reset");
  const place = to === undefined ? undefined : placeOf(to);
  const engine = { vfs: runtimeVfs(), clock: systemClock, random: systemRandom, codecs: runtimeCodecs };
  const log = await openWith(engine, directory, { readOnly: true, signal: interruption.signal });
  try {
    if (place !== undefined) return await runReset(context, log, reset!, { to: place, shard, apply: args.flag("yes") });
    if (remove !== undefined) return await runDelete(context, log, remove);
    return await list(context, log);
  } catch (error) {
    // The shard or name on the command line is not one of this log.
    throw error instanceof RangeError ? new UsageError(error.message) : error;
  } finally {
    await log.close();
  }
}

function placeOf(text: string): ResetOptions["to"] {
  if (text === "earliest" || text === "latest") return text;
  if (/^\d+$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text);
  throw new UsageError(`--to must be earliest, latest or an offset, not ${quoted(text)}`);
}

async function list(context: Context, log: EmbeddedLog): Promise<number> {
  const { args, stdout } = context;
  const { infos, problems } = await log.groups.survey();
  if (args.flag("json")) {
    for (const { name, shards } of infos) {
      for (const shard of shards) await stdout.text(`${JSON.stringify({ name, ...shard })}\n`);
    }
  } else if (infos.length > 0) {
    const rows = infos.flatMap(({ name, shards }) =>
      shards.map(({ shard, committed, end, lag }) => [name, ...[shard, committed, end, lag].map(String)])
    );
    await stdout.text(formatTable([["name", "shard", "committed", "end", "lag"], ...rows]));
  } else if (problems.length === 0) await stdout.text("no consumer has stored offsets here\n");
  for (const problem of problems) await say(context, problem.message);
  return problems.length > 0 ? EXIT_CORRUPT : EXIT_DONE;
}

async function runReset(
  { args, stdout }: Context,
  log: EmbeddedLog,
  name: string,
  options: ResetOptions,
): Promise<number> {
  for (const { shard, from, to } of await log.groups.reset(name, options)) {
    const line = args.flag("json")
      ? JSON.stringify({ name, shard, from: from ?? null, to, done: options.apply })
      : `${options.apply ? "RESET" : "WOULD RESET"} ${name}, shard ${shard}: from ${from ?? "a damaged file"} to ${to}`;
    await stdout.text(`${line}\n`);
  }
  if (!options.apply && !args.flag("json")) await stdout.text("nothing was changed: add --yes\n");
  return EXIT_DONE;
}

async function runDelete({ args, stdout }: Context, log: EmbeddedLog, name: string): Promise<number> {
  const apply = args.flag("yes");
  await log.groups.delete(name, apply);
  if (args.flag("json")) await stdout.text(`${JSON.stringify({ name, deleted: apply })}\n`);
  else await stdout.text(apply ? `DELETED ${name}\n` : `WOULD DELETE ${name}\nnothing was changed: add --yes\n`);
  return EXIT_DONE;
}
