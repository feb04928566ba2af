/**
 * `bimiplog backup`: a consistent copy of a log, also while another program writes it.
 *
 * @module
 */
import { backupLog } from "../../mod.ts";
import type { BackupReport } from "../backup/backup_types.ts";
import type { Command, Context } from "./command.ts";
import { EXIT_DONE, UsageError } from "./exit_codes.ts";
import { Progress } from "./progress.ts";
import { bytesText } from "./units.ts";

const DETAILS = `
Copies of each shard everything up to one published end, beside a writer and without stopping it. Finished segments
become hard links where DIR and OUT lie on one file system, so they take neither time nor space; nothing ever changes
a linked file in place. The copy is a log of its own, synced, as after a clean close.

OUT must not be there, or be an empty directory. The copy is made in OUT.tmp and renamed once it is whole. What an
interrupted backup leaves there is removed by the next one to the same OUT.

  --json    one object: {"directory","linkedBytes","copiedBytes","shards":[…]}
`;

export const backupCommand: Command = {
  name: "backup",
  synopsis: "DIR OUT [--json]",
  summary: "copy a log while it is being written",
  details: DETAILS,
  options: { json: "flag" },
  run: backup,
};

async function backup({ args, stdout, interruption, streams }: Context): Promise<number> {
  const [directory, out, more] = args.positionals;
  if (directory === undefined || directory === "") throw new UsageError("the directory is missing");
  if (out === undefined || out === "") throw new UsageError("the target of the backup is missing");
  if (more !== undefined) throw new UsageError(`a directory and a target are enough: what is ${JSON.stringify(more)}?`);
  const progress = new Progress(streams.stderr);
  let report: BackupReport;
  try {
    report = await backupLog(directory, out, {
      signal: interruption.signal,
      onProgress: (done, total) => progress.show(`copied ${bytesText(done)} of ${bytesText(total)}`, done / total),
    });
  } finally {
    progress.clear();
  }
  await stdout.text(args.flag("json") ? `${JSON.stringify(report)}\n` : `${sentence(report)}\n`);
  return EXIT_DONE;
}

function sentence({ directory, shards, linkedBytes, copiedBytes }: BackupReport): string {
  const offsets = shards.reduce((sum, { earliest, nextOffset }) => sum + nextOffset - earliest, 0);
  const segments = shards.reduce((sum, shard) => sum + shard.segments, 0);
  return `${directory} holds ${offsets} offsets in ${segments} segments and ${shards.length} shards: ` +
    `${bytesText(linkedBytes)} linked, ${bytesText(copiedBytes)} copied`;
}
