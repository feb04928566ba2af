/**
 * `bimiplog repair`: makes a damaged log writable again.
 *
 * @module
 */
import { runtimeCodecs } from "../../adapters/codecs.ts";
import { runtimeVfs } from "../../adapters/runtime.ts";
import { systemRandom } from "../../adapters/system.ts";
import { repairLog, type RepairReport } from "../log/repair.ts";
import type { RepairFinding } from "../recovery/rebuild_types.ts";
import type { Command, Context } from "./command.ts";
import { EXIT_CORRUPT, EXIT_DONE } from "./exit_codes.ts";
import { Progress } from "./progress.ts";

const DETAILS = `
Reads every byte of every segment and says what is wrong and what would be done about it; with --yes it does that. Takes
the writer's lock either way.

A header whose fields can only have been one thing is restored, and no record is lost. Records that cannot be read are replaced
by a batch without records that takes their offsets, also where they are simply gone: all other records keep their
offsets, and no offset is ever handed out twice. (Opening the log with acceptDataLoss would hand them out again.) A manifest, state
or index is written again from what the other files say. What is replaced or cut off is kept in files named
quarantine-…, and nothing is deleted. A repair that was interrupted is carried on by the next one.

Exit code 0 where nothing is wrong, or everything was repaired; 3 where something is left.

  --yes     repair; without it nothing is changed
  --json    one object a line: {"finding":…}, and at last {"summary":…}
`;

export const repairCommand: Command = {
  name: "repair",
  synopsis: "DIR [--yes] [--json]",
  summary: "make a damaged log writable again",
  details: DETAILS,
  options: { yes: "flag", json: "flag" },
  run: repair,
};

async function repair({ args, stdout, interruption, streams }: Context): Promise<number> {
  // Without the slashes at its end, so that the paths of findings read well.
  const directory = args.only("directory").replace(/(?<=.)\/+$/, "");
  const apply = args.flag("yes");
  const json = args.flag("json");
  const progress = new Progress(streams.stderr);
  const tools = { vfs: runtimeVfs(), codecs: runtimeCodecs, random: systemRandom };
  let report: RepairReport;
  try {
    report = await repairLog(tools, directory, {
      apply,
      signal: interruption.signal,
      onProgress: (bytes) => progress.show(`looked at ${(bytes / 1e6).toFixed(0)} MB`),
    });
  } finally {
    progress.clear();
  }
  for (const finding of report.findings) {
    await stdout.text(`${json ? JSON.stringify({ finding }) : findingLine(finding, apply)}\n`);
  }
  const found = report.findings.length;
  const impossible = report.findings.filter((finding) => finding.action === "none").length;
  const repaired = apply ? found - impossible : 0;
  const { shards } = report;
  await stdout.text(
    json
      ? `${JSON.stringify({ summary: { shards, found, repaired } })}\n`
      : `${summaryLine(found, impossible, apply, directory)}\n`,
  );
  return repaired < found ? EXIT_CORRUPT : EXIT_DONE;
}

function findingLine(finding: RepairFinding, apply: boolean): string {
  const { shard, file, position, range, what, action, remedy, keptAside } = finding;
  const verb = action === "none" ? "CANNOT REPAIR" : apply ? "REPAIRED" : "WOULD REPAIR";
  const place = `${shard === undefined ? "" : `shard ${shard}, `}${file}`;
  const where = action === "none" || (position === 0 && range === undefined) ? "" : `, position ${position}`;
  const offsets = range === undefined ? "" : `, offsets ${range[0]} to ${range[1]}`;
  const kept = keptAside === undefined ? "" : `; the original bytes ${apply ? "are in" : "would go to"} ${keptAside}`;
  return `${verb} ${place}${where}${offsets}: ${what}; ${remedy}${kept}`;
}

function summaryLine(found: number, impossible: number, apply: boolean, directory: string): string {
  if (found === 0) return "nothing to repair";
  const things = (count: number): string => `${count} ${count === 1 ? "thing" : "things"}`;
  if (!apply) {
    return found === impossible
      ? `${things(found)} wrong that no program can repair; nothing was changed`
      : `${things(found)} wrong; nothing was changed: run bimiplog repair ${directory} --yes`;
  }
  const rest = impossible === 0 ? "" : `, ${things(impossible)} left`;
  return `${things(found - impossible)} repaired${rest}`;
}
