/**
 * Runs Kafka's own `DumpLogSegments` on `.log` files. Needs Java 17 and Maven; Maven downloads the tool once.
 *
 *     node scripts/kafka_tools/dump_log_segments.ts FILE.log …
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { delimiter, join } from "node:path";
import process from "node:process";

const POM = join(import.meta.dirname, "pom.xml");
const CACHE = join(import.meta.dirname, "../../node_modules/.cache");
const DOWNLOAD_LIMIT_MS = 240_000;
const RUN_LIMIT_MS = 60_000;
const MAX_OUTPUT_BYTES = 256 * 1024 * 1024;
/** One short run: starting quickly is worth more than running fast. */
const JAVA_OPTIONS = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];
/** Java before 19 takes the first, later ones the others; without them text is printed in the locale's encoding. */
const UTF_8_OPTIONS = ["file", "stdout", "stderr"].map((name) => `-D${name}.encoding=UTF-8`);

/** Which of the programs that the tool needs are not installed. */
export function missingPrograms(): string[] {
  return ["java", "mvn"].filter((name) => spawnSync(name, ["-version"], { stdio: "ignore" }).status !== 0);
}

/** Folder with the jars. They are kept for the next run, as long as the list of them is the same. */
function downloadJars(): string {
  const digest = createHash("sha256").update(readFileSync(POM)).digest("hex").slice(0, 12);
  const folder = join(CACHE, `kafka-tools-${digest}`);
  if (existsSync(folder)) return folder;
  mkdirSync(CACHE, { recursive: true });
  const partial = mkdtempSync(join(CACHE, "kafka-tools-partial-"));
  try {
    const output = spawnSync(
      "mvn",
      ["-q", "-B", "-f", POM, "dependency:copy-dependencies", `-DoutputDirectory=${partial}`],
      { encoding: "utf8", timeout: DOWNLOAD_LIMIT_MS },
    );
    if (output.status !== 0) throw new Error(`Maven cannot download Kafka's tool: ${output.stdout}${output.stderr}`);
    if (!existsSync(folder)) renameSync(partial, folder);
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
  return folder;
}

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
  const folder = downloadJars();
  const jars = readdirSync(folder).filter((name) => name.endsWith(".jar")).map((name) => join(folder, name));
  const { status, stdout, stderr, error } = spawnSync("java", [
    ...JAVA_OPTIONS,
    ...UTF_8_OPTIONS,
    "-cp",
    jars.join(delimiter),
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
