/**
 * `bimiplog restore`: makes a log of a Kafka topic.
 *
 * @module
 */
import { restoreFromKafka, type RestoreProgress } from "../kafka/restore.ts";
import type { Command, Context } from "./command.ts";
import { EXIT_DONE } from "./exit_codes.ts";
import { KAFKA_DETAILS, KAFKA_OPTIONS, kafkaOptions } from "./kafka_arguments.ts";
import { Progress } from "./progress.ts";

const DETAILS = `
Makes a log of a topic: as many shards as it has partitions, with the same offsets, keys, values, headers and timestamps,
up to the topic's end of now. Every byte is verified at the end. A restore that was interrupted goes on when it is called again.

  --from HOST:PORT     a broker, or several with commas between
${KAFKA_DETAILS}
  --segment-bytes N    size at which a segment ends, from 1024 (default 1073741824)
`;

export const restoreCommand: Command = {
  name: "restore",
  synopsis: "DIR --from HOST:PORT --topic T [--segment-bytes N] [--tls] [--ca FILE] [--user NAME] [--mechanism M]\n" +
    "                        [--patience SECONDS] [--json]",
  summary: "make a log of a Kafka topic",
  details: DETAILS,
  options: { from: "value", "segment-bytes": "value", ...KAFKA_OPTIONS },
  run: restore,
};

async function restore(context: Context): Promise<number> {
  const { args, stdout } = context;
  const directory = args.only("directory").replace(/(?<=.)\/+$/, "");
  const options = kafkaOptions(context, "from");
  const segmentBytes = args.wholeNumber("segment-bytes", 1024, 2 ** 31 - 1);
  const json = args.flag("json");
  const terminal = new Progress(context.streams.stderr);
  const onProgress = (progress: RestoreProgress): void => {
    if (!json) return terminal.show(`restored ${progress.records} records, ${progress.lag} offsets to go`);
    void stdout.text(`${JSON.stringify({ progress })}\n`);
    void stdout.flush().catch(() => {});
  };
  try {
    const summary = await restoreFromKafka(directory, {
      ...options,
      onProgress,
      ...(segmentBytes === undefined ? {} : { segmentBytes }),
    });
    terminal.clear();
    const { records, shards } = summary;
    await stdout.text(
      json
        ? `${JSON.stringify({ summary })}\n`
        : `${records} records restored into ${directory}, ${shards.length} ${
          shards.length === 1 ? "shard" : "shards"
        }, verified\n`,
    );
  } finally {
    terminal.clear();
  }
  return EXIT_DONE;
}
