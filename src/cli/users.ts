/**
 * `bimiplog users`: who has how many records.
 *
 * @module
 */
import { openLog } from "../../mod.ts";
import type { EmbeddedLog } from "../log/log.ts";
import type { UserCount } from "../users/count_users.ts";
import type { Command, Context } from "./command.ts";
import { EXIT_DONE } from "./exit_codes.ts";
import { jsonBytes } from "./json.ts";
import { Progress } from "./progress.ts";
import { formatTable } from "./table.ts";

const DEFAULT_TOP = 10;

const DETAILS = `
Prints the users (record keys) with the most records that are there now, the most first. Reads the index of users, and
of the log only what that does not cover. Works beside a writer and sees what it has published.

  --top N      so many of them (default 10)
  --json       one object a line: {"user","shard","count"}, with text as text and other bytes as {"base64":"…"}
`;

export const usersCommand: Command = {
  name: "users",
  synopsis: "DIR [--top N] [--json]",
  summary: "tell which keys have the most records",
  details: DETAILS,
  options: { top: "value", json: "flag" },
  readsOnly: true,
  run: users,
};

async function users({ args, stdout, interruption, streams }: Context): Promise<number> {
  const directory = args.only("directory");
  const top = args.wholeNumber("top", 0) ?? DEFAULT_TOP;
  const { signal } = interruption;
  // What `openLog` answers is this class; the interface of users does not have the method.
  const log = await openLog(directory, { readOnly: true, signal }) as EmbeddedLog;
  const progress = new Progress(streams.stderr);
  try {
    const found: (UserCount & { shard: number })[] = [];
    for (const { id: shard } of log.shards) {
      const show = (done: number, all: number): void =>
        progress.show(`shard ${shard}: counted ${done} of ${all} records without an index`);
      for (const count of await log.countUsers(shard, top, show, signal)) found.push({ ...count, shard });
    }
    progress.clear();
    const best = found.sort((a, b) => b.count - a.count).slice(0, top);
    if (args.flag("json")) {
      for (const { key, shard, count } of best) {
        await stdout.text(`${JSON.stringify({ user: jsonBytes(key), shard, count })}\n`);
      }
    } else {
      const rows = best.map(({ key, shard, count }) => [String(count), String(shard), shown(key)]);
      await stdout.text(formatTable([["records", "shard", "user"], ...rows]));
    }
    return EXIT_DONE;
  } catch (error) {
    if (!interruption.isReason(error)) throw error;
    return EXIT_DONE;
  } finally {
    progress.clear();
    await log.close();
  }
}

function shown(key: Uint8Array): string {
  const text = jsonBytes(key);
  return JSON.stringify(text);
}
