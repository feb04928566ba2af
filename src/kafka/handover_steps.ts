/**
 * What an operator does with the files of a handover.
 *
 * @module
 */

/** What the steps depend on. */
export interface StepsInput {
  readonly topic: string;
  readonly partitions: number;
  readonly out: string;
  /** The files stand in the broker's directory already. */
  readonly placed: boolean;
  /** Partitions whose first readable offset lies within a segment. */
  readonly trimmed: readonly string[];
}

/** The steps, as text. */
export function handoverSteps({ topic, partitions, out, placed, trimmed }: StepsInput): string {
  if (placed) {
    return [
      `The files are in ${out}. Start the broker. Then look at the ends:`,
      `   kafka-get-offsets.sh --bootstrap-server HOST:PORT --topic ${topic}`,
      `Producers may write to ${topic} from now on; the log that was handed over must take no more.`,
      "",
    ].join("\n");
  }
  const checkpoint = trimmed.length === 0 ? [] : [
    "5. Some records at the beginning were deleted. So that they stay so, put these lines into LOG_DIRS/log-start-offset-checkpoint",
    "   (in place of those of the same partition; the number in its second line counts the lines below it):",
    ...trimmed.map((line) => `      ${line}`),
  ];
  return [
    `To give these files to a broker (LOG_DIRS is its log.dirs; with several brokers: the leader and each replica's broker):`,
    "",
    `1. Create the topic with ${partitions} ${
      partitions === 1 ? "partition" : "partitions"
    }. Old records must not be deleted by age:`,
    `      kafka-topics.sh --bootstrap-server HOST:PORT --create --topic ${topic} --partitions ${partitions} \\`,
    "        --config retention.ms=-1",
    "   Write nothing to it. A topic that exists already must be empty.",
    "2. Stop the broker, and wait until it has ended.",
    "3. In each partition's directory remove everything but partition.metadata. That file has the id that Kafka gave to the topic:",
    "   without it the partition comes up empty.",
    `      for p in LOG_DIRS/${topic}-*; do find "$p" -type f ! -name partition.metadata -delete; done`,
    "4. Copy the partitions:",
    `      for p in ${out}/${topic}-*; do cp "$p"/* LOG_DIRS/"$(basename "$p")"/; done`,
    "   The files must belong to the user that the broker runs as (chown).",
    ...checkpoint,
    `${
      trimmed.length === 0 ? 5 : 6
    }. Start the broker. It takes the files as they are, with their offsets, and says nothing of a recovery. Look at the ends:`,
    `      kafka-get-offsets.sh --bootstrap-server HOST:PORT --topic ${topic}`,
    "   Producers may write from now on; the log that was handed over must take no more.",
    "",
    `Steps 3 and 4 as one, with checks: bimiplog handover DIR LOG_DIRS --into`,
    "",
  ].join("\n");
}
