/**
 * `bimiplog trim`: drops the oldest records.
 *
 * @module
 */
import { openLog } from "../../mod.ts";
import { runtimeVfs } from "../../adapters/runtime.ts";
import { sizeIfThere } from "../if_there.ts";
import type { Log } from "../log/log_types.ts";
import { listBases } from "../recovery/inventory.ts";
import { beyondLimits } from "../retention/choose.ts";
import { firstKept } from "../segment/log_start.ts";
import { logPath } from "../segment/names.ts";
import type { Shard } from "../shard/shard_types.ts";
import type { Command, Context } from "./command.ts";
import { EXIT_DONE, UsageError } from "./exit_codes.ts";
import { ageOf, tooOld } from "./trim_age.ts";

const DETAILS = `
Says what would be dropped; with --yes it takes the writer's lock and drops it. Offsets never change.

  --before OFFSET   with --shard N: the shard's records below the offset; with --user: see there
  --shard N         this shard only; needed for --before, else all shards
  --user KEY        hides the user's records below --before (an offset in its shard) from the user's stream only
  --max-bytes N     the oldest segments of each shard, as long as the others hold so many bytes
  --max-records N   the same by number of offsets
  --max-age TIME    the oldest segments whose records are all older: 90s, 30m, 12h, 7d
  --yes             drop; without it nothing is changed
  --json            one object a line
`;

export const trimCommand: Command = {
  name: "trim",
  synopsis:
    "DIR (--shard N|--user KEY) --before OFFSET | [--shard N] [--max-bytes N] [--max-records N] [--max-age TIME] [--yes] [--json]",
  summary: "drop the oldest records",
  details: DETAILS,
  options: {
    shard: "value",
    user: "value",
    before: "value",
    "max-bytes": "value",
    "max-records": "value",
    "max-age": "value",
    yes: "flag",
    json: "flag",
  },
  run: trim,
};

interface Finding {
  readonly shard: number;
  readonly user?: string;
  /** The log start, or the user's first offset, afterwards. */
  readonly before: number;
  /** Files that go. */
  readonly segments: number;
  readonly bytes: number;
}

async function trim({ args, stdout }: Context): Promise<number> {
  const directory = args.only("directory").replace(/(?<=.)\/+$/, "");
  const before = args.wholeNumber("before", 0);
  const shard = args.wholeNumber("shard", 0);
  const maxBytes = args.wholeNumber("max-bytes", 1);
  const maxRecords = args.wholeNumber("max-records", 1);
  const maxAgeMs = ageOf(args.value("max-age"));
  const user = args.value("user");
  const hasLimit = maxBytes !== undefined || maxRecords !== undefined || maxAgeMs !== undefined;
  if (hasLimit === (before !== undefined)) throw new UsageError("give either --before or a limit");
  if (before !== undefined && (user === undefined) === (shard === undefined)) {
    throw new UsageError("--before needs either --shard or --user");
  }
  if (user !== undefined && hasLimit) throw new UsageError("a limit is not for one user: leave --user out");
  const apply = args.flag("yes");
  // Opening for writing would make a log where there is none.
  let log = await openLog(directory, { readOnly: true });
  if (apply) {
    await log.close();
    log = await openLog(directory);
  }
  try {
    const findings: Finding[] = [];
    if (user !== undefined) {
      findings.push({ shard: log.shardFor(user).id, user, before: before!, segments: 0, bytes: 0 });
      if (apply) await log.trimUser(user, before!);
    } else {
      const limits = {
        maxBytes: maxBytes ?? Infinity,
        maxRecords: maxRecords ?? Infinity,
        maxAgeMs: maxAgeMs ?? Infinity,
      };
      for (const one of shard === undefined ? log.shards : [log.shard(shard)]) {
        const found = await plan(log, one, before, limits);
        if (found === undefined) continue;
        findings.push(found);
        if (apply) await one.trimBefore(found.before);
      }
    }
    for (const finding of findings) {
      await stdout.text(
        `${args.flag("json") ? JSON.stringify({ ...finding, applied: apply }) : line(finding, apply)}\n`,
      );
    }
    if (findings.length === 0 && !args.flag("json")) await stdout.text("nothing to drop\n");
    else if (!apply && !args.flag("json")) await stdout.text("nothing was changed: add --yes\n");
    return EXIT_DONE;
  } finally {
    await log.close();
  }
}

/** What goes of one shard; `undefined` where nothing does. */
async function plan(
  log: Log,
  shard: Shard,
  before: number | undefined,
  limits: { maxBytes: number; maxRecords: number; maxAgeMs: number },
): Promise<Finding | undefined> {
  const vfs = runtimeVfs();
  const directory = `${log.directory}/${log.topic}-${shard.id}`;
  const bases = await listBases(vfs, directory);
  const kept = bases.slice(firstKept(bases, shard.earliest));
  const segments: { base: number; bytes: number }[] = [];
  for (const base of kept) segments.push({ base, bytes: await sizeIfThere(vfs, logPath(directory, base)) ?? 0 });
  if (before !== undefined && before > shard.nextOffset) {
    throw new UsageError(`--before must be at most ${shard.nextOffset}, the end of shard ${shard.id}`);
  }
  const byLimits = beyondLimits(segments, shard.nextOffset, limits, Math.max(0, kept.length - 1));
  const byAge = limits.maxAgeMs === Infinity ? 0 : await tooOld(log, shard.id, kept, limits.maxAgeMs);
  const count = before === undefined ? Math.max(byLimits, byAge) : firstKept(kept, before);
  const start = before ?? kept[count];
  if (start === undefined || start <= shard.earliest) return undefined;
  const bytes = segments.slice(0, count).reduce((sum, segment) => sum + segment.bytes, 0);
  return { shard: shard.id, before: start, segments: count, bytes };
}

function line({ shard, user, before, segments, bytes }: Finding, apply: boolean): string {
  const verb = apply ? "dropped" : "would drop";
  if (user !== undefined) {
    return `${verb} the records of ${JSON.stringify(user)} below offset ${before} of shard ${shard} from its stream`;
  }
  return `${verb} the records of shard ${shard} below offset ${before}: ${segments} segments, ${bytes} bytes`;
}
