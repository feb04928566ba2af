/**
 * `bimiplog mirror`: sends a log to a Kafka topic.
 *
 * @module
 */
import { openLog } from "../../mod.ts";
import { type MirrorProgress, mirrorToKafka } from "../kafka/mirror.ts";
import type { Command, Context } from "./command.ts";
import { EXIT_DONE } from "./exit_codes.ts";
import { KAFKA_DETAILS, KAFKA_OPTIONS, kafkaOptions } from "./kafka_arguments.ts";

const DETAILS = `
Sends every record to a topic with as many partitions as the log has shards: shard n to partition n, each record once and in
order, whatever is killed in between. Works beside a writer. It goes on where the topic ends; files named mirror.… in DIR
say who it is to the cluster, and which offset of the log is which of the topic. Nobody else may write to the topic.
How far it is, the lag and the rate, stands on stderr.

  --to HOST:PORT       a broker, or several with commas between
${KAFKA_DETAILS}
  --follow             go on with what is appended; brokers that are away are waited for without end
  --state-dir PATH     keep the files mirror.… there
  --accept-gap         go on where records were removed from the log before they were sent
`;

export const mirrorCommand: Command = {
  name: "mirror",
  synopsis: "DIR --to HOST:PORT --topic T [--follow] [--accept-gap] [--state-dir PATH]\n" +
    "                       [--tls] [--ca FILE] [--user NAME] [--mechanism M] [--patience SECONDS] [--json]",
  summary: "send a log to a Kafka topic",
  details: DETAILS,
  options: { to: "value", follow: "flag", "accept-gap": "flag", "state-dir": "value", ...KAFKA_OPTIONS },
  run: mirror,
};

async function mirror(context: Context): Promise<number> {
  const { args, stdout, stderr, interruption } = context;
  const directory = args.only("directory");
  const options = kafkaOptions(context, "to");
  const stateDirectory = args.value("state-dir");
  const json = args.flag("json");
  const log = await openLog(directory, { readOnly: true, signal: interruption.signal });
  let told = "";
  const onProgress = (progress: MirrorProgress): void => {
    if (json) {
      void stdout.text(`${JSON.stringify({ progress })}\n`);
      void stdout.flush().catch(() => {});
      return;
    }
    const { records, bytes, lag, recordsPerSecond } = progress;
    const line = `sent ${records} records (${(bytes / 1e6).toFixed(1)} MB), lag ${lag}, ${recordsPerSecond} records/s`;
    // A mirror that stands still says so once.
    if (line === told) return;
    told = line;
    void stderr.text(`${line}\n`);
    void stderr.flush();
  };
  try {
    const { records, bytes, shards } = await mirrorToKafka(log, {
      ...options,
      follow: args.flag("follow"),
      acceptGap: args.flag("accept-gap"),
      onProgress,
      ...(stateDirectory === undefined ? {} : { stateDirectory }),
    });
    const ends = shards.map(({ sourceNext, targetEnd }) => ({ sourceNext, targetEnd }));
    await stdout.text(
      json
        ? `${JSON.stringify({ summary: { records, bytes, shards: ends } })}\n`
        : `${records} records sent to ${options.topic}\n`,
    );
  } finally {
    await log.close();
  }
  return EXIT_DONE;
}
