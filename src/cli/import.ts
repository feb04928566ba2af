/**
 * `bimiplog import`: takes over the partitions of a Kafka broker.
 *
 * @module
 */
import { linkSync } from "node:fs";
import { runtimeCodecs } from "../../adapters/codecs.ts";
import { runtimeVfs } from "../../adapters/runtime.ts";
import { systemClock } from "../../adapters/system.ts";
import { LogError } from "../errors.ts";
import { importFromKafka } from "../kafka/directories.ts";
import type { ImportReport } from "../kafka/import_types.ts";
import { verifyLog } from "../verify/verify_log.ts";
import type { Command, Context } from "./command.ts";
import { EXIT_CORRUPT, EXIT_DONE, UsageError } from "./exit_codes.ts";
import { Progress } from "./progress.ts";

const DETAILS = `
Makes the new log DIR from SOURCE: the directory of one partition, or one that holds TOPIC-0 … TOPIC-n, such as the log.dirs of a
broker that was stopped. Batches are taken as they are, with offsets, codecs, transactions, control records and the gaps that
compaction left. Then every byte is verified. SOURCE is only read. What stands behind the last whole batch of a partition, because its
broker was killed, is left out and told.

  --topic NAME  which topic, where SOURCE holds several
  --shard N     only partition N: it becomes shard 0 of a log with one shard
  --link        hard links instead of copies, except for the last segment of each partition; the broker must not delete or
                compact them any more
  --json        one object instead of text
`;

export const importCommand: Command = {
  name: "import",
  synopsis: "SOURCE DIR [--topic NAME] [--shard N] [--link] [--json]",
  summary: "take over the partitions of a Kafka broker as a log",
  details: DETAILS,
  options: { topic: "value", shard: "value", link: "flag", json: "flag" },
  run: importLog,
};

async function importLog({ args, stdout, stderr, interruption, streams }: Context): Promise<number> {
  const [source, directory, more] = args.positionals.map((path) => path.replace(/(?<=.)\/+$/, ""));
  if (!source) throw new UsageError("the directory to import is missing");
  if (!directory) throw new UsageError("the directory of the new log is missing");
  if (more !== undefined) throw new UsageError("two directories are enough");
  const topic = args.value("topic");
  const shard = args.wholeNumber("shard", 0, 65_535);
  const { signal } = interruption;
  const tools = { vfs: runtimeVfs(), clock: systemClock, codecs: runtimeCodecs };
  const progress = new Progress(streams.stderr);
  const damages: string[] = [];
  let report: ImportReport;
  let records: number;
  try {
    report = await importFromKafka(source, directory, {
      ...(topic === undefined ? {} : { topic }),
      ...(shard === undefined ? {} : { shard }),
      ...(args.flag("link") ? { link } : {}),
      signal,
      onProgress: (bytes) => progress.show(`imported ${(bytes / 1e6).toFixed(0)} MB`),
    });
    const totals = await verifyLog(tools, directory, {
      damage: ({ file, position, what }) => void damages.push(`DAMAGE ${file}, position ${position}: ${what}\n`),
      note: () => {},
      progress: (done, total) => progress.show(`verified ${done} of ${total} bytes`),
    }, signal);
    records = totals.records;
  } finally {
    progress.clear();
  }
  for (const damage of damages) await stderr.text(damage);
  if (args.flag("json")) await stdout.text(`${JSON.stringify({ ...report, records, damages: damages.length })}\n`);
  else await stdout.text(textOf(report, records, damages.length, directory));
  return damages.length > 0 ? EXIT_CORRUPT : EXIT_DONE;
}

function textOf({ topic, shards }: ImportReport, records: number, damages: number, directory: string): string {
  const lines = shards.map(({ shard, source, earliest, nextOffset, segments, batches, bytes, holes, tornBytes }) => {
    const offsets = nextOffset > earliest
      ? `offsets ${earliest} to ${nextOffset - 1}`
      : `empty, next offset ${nextOffset}`;
    const torn = tornBytes > 0 ? `; ${tornBytes} bytes behind the last whole batch were left out` : "";
    return `shard ${shard} from ${source}: ${offsets}${
      holes ? " with gaps" : ""
    }, ${segments} segments, ${batches} batches, ` +
      `${bytes} bytes${torn}\n`;
  });
  const verdict = damages === 0 ? "verified" : `${damages} damaged`;
  return `${
    lines.join("")
  }${directory} is the log ${topic} with ${shards.length} shards: ${records} records, ${verdict}\n`;
}

function link(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch (error) {
    throw new LogError("IO", `Cannot link ${from}: ${(error as Error).message}; import without --link`, {
      file: to,
      cause: error,
    });
  }
}
