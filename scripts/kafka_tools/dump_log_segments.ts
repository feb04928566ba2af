/**
 * Runs Kafka's own `DumpLogSegments` on `.log` files. Needs Java 17 and Maven; Maven downloads the tool once.
 *
 *     node scripts/kafka_tools/dump_log_segments.ts FILE.log …
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { classPath, missingPrograms } from "./jars.ts";

const POM = join(import.meta.dirname, "pom.xml");
const RUN_LIMIT_MS = 60_000;
const MAX_OUTPUT_BYTES = 256 * 1024 * 1024;
/** One short run: starting quickly is worth more than running fast. */
const JAVA_OPTIONS = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];
/** Java before 19 takes the first, later ones the others; without them text is printed in the locale's encoding. */
const UTF_8_OPTIONS = ["file", "stdout", "stderr"].map((name) => `-D${name}.encoding=UTF-8`);

/** What the tool printed. */
export interface Dump {
  readonly stdout: string;
  /** Complaints that it has about a file as a whole. */
  readonly stderr: string;
}

/**
 * Runs the tool once over `files`. Its exit code says nothing about their state: only what it prints does.
 *
 * @param files Paths of `.log` files with Kafka's names. None may have a comma in it.
 */
export function dumpLogSegments(files: readonly string[]): Dump {
  const { status, stdout, stderr, error } = spawnSync("java", [
    ...JAVA_OPTIONS,
    ...UTF_8_OPTIONS,
    "-cp",
    classPath(POM, "kafka-tools"),
    "org.apache.kafka.tools.DumpLogSegments",
    "--deep-iteration",
    "--print-data-log",
    "--files",
    files.join(","),
  ], { encoding: "utf8", timeout: RUN_LIMIT_MS, maxBuffer: MAX_OUTPUT_BYTES });
  if (status !== 0) {
    throw new Error(`Kafka's tool ended with ${status}: ${stderr}${stdout.slice(-1000)}`, { cause: error });
  }
  return { stdout, stderr };
}

if (import.meta.main) {
  const missing = missingPrograms();
  if (missing.length > 0) {
    console.error(`Cannot dump log segments: ${missing.join(" and ")} must be installed`);
    process.exitCode = 1;
  } else {
    const { stdout, stderr } = dumpLogSegments(process.argv.slice(2));
    process.stdout.write(stdout);
    process.stderr.write(stderr);
  }
}
