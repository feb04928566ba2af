/**
 * `bimiplog handover`: gives a log to a Kafka broker.
 *
 * @module
 */
import { handoverToKafka } from "../kafka/directories.ts";
import type { HandoverReport } from "../kafka/handover_types.ts";
import type { Command, Context } from "./command.ts";
import { EXIT_DONE, UsageError } from "./exit_codes.ts";
import { Progress } from "./progress.ts";

const DETAILS = `
Writes the log as partitions of a Kafka topic into the new directory OUT, and prints what to do with them: create the topic,
stop the broker, copy, start. Offsets, keys, headers and timestamps stay; the broker takes the files without a recovery. The log is
only read; stop its writer first, or what it appends meanwhile is missing.

Kafka gives each topic an id of its own and keeps it in the file partition.metadata of each partition: a partition whose files
lack it comes up empty. That is why the topic is created first, and why that file must stay.

  --into        OUT is the log.dirs of a broker that was stopped, with the topic created and empty: the files are put in place
  --topic NAME  topic in Kafka (default: the log's)
  --json        one object instead of text
`;

export const handoverCommand: Command = {
  name: "handover",
  synopsis: "DIR OUT [--into] [--topic NAME] [--json]",
  summary: "give a log to a Kafka broker, with its offsets",
  details: DETAILS,
  options: { into: "flag", topic: "value", json: "flag" },
  run: handover,
};

async function handover({ args, stdout, interruption, streams }: Context): Promise<number> {
  const [from, out, more] = args.positionals;
  if (!from) throw new UsageError("the directory of the log is missing");
  if (!out) throw new UsageError("the directory to write to is missing");
  if (more !== undefined) throw new UsageError("two directories are enough");
  const topic = args.value("topic");
  const progress = new Progress(streams.stderr);
  let report: HandoverReport;
  try {
    report = await handoverToKafka(from, out, {
      into: args.flag("into"),
      ...(topic === undefined ? {} : { topic }),
      signal: interruption.signal,
      onProgress: (bytes) => progress.show(`copied ${(bytes / 1e6).toFixed(0)} MB`),
    });
  } finally {
    progress.clear();
  }
  if (args.flag("json")) {
    await stdout.text(`${JSON.stringify(report)}\n`);
    return EXIT_DONE;
  }
  for (const { partition, directory, earliest, nextOffset, segments, bytes } of report.partitions) {
    const offsets = nextOffset > earliest
      ? `offsets ${earliest} to ${nextOffset - 1}`
      : `empty, next offset ${nextOffset}`;
    await stdout.text(`partition ${partition}: ${offsets}, ${segments} segments, ${bytes} bytes in ${directory}\n`);
  }
  await stdout.text(`\n${report.steps}`);
  return EXIT_DONE;
}
