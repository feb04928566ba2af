/** Runs Kafka's own programs, on any of the three runtimes. Whatever is started here ends with the process that started it. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { classArchive, classPath, missingPrograms } from "../../scripts/kafka_tools/jars.ts";

const POM = join(import.meta.dirname, "pom.xml");
/** Short runs: starting quickly is worth more than running fast. */
const OPTIONS = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"];
const UTF_8_OPTIONS = ["file", "stdout", "stderr"].map((name) => `-D${name}.encoding=UTF-8`);
/**
 * The shell's standard input is a pipe from the test: it closes however the test ends, and then the program is killed, too.
 * The first line is the program's process id.
 */
const GUARD = 'exec 5<&0; "$@" <&3 3<&- 4>&- 5<&- & p=$!; exec 3<&-; echo "$p" >&4; exec 4>&-; ' +
  '(cat <&5 >/dev/null 2>&1; kill -9 "$p" 2>/dev/null) >/dev/null 2>&1 & exec 5<&- </dev/null; wait "$p"';

/**
 * Why no real Kafka is run here. A broker takes seconds and a core, so it runs where `KAFKA=full` asks for it. `KAFKA_TOOLS=required`:
 * a machine that cannot fails then.
 */
export function whyNoKafka(): string | false {
  if (process.env.KAFKA !== "full") return "it takes long; KAFKA=full runs it";
  const missing = process.env.KAFKA_TOOLS === "required" ? [] : missingPrograms();
  if (missing.length === 0) return false;
  const why = `${missing.join(" and ")} must be installed`;
  console.log(`notice: no test with a real Kafka is run: ${why}`);
  return why;
}

/** A running Java program. */
export interface JavaProcess {
  readonly child: ChildProcess;
  /** Process id of the program itself. */
  readonly pid: Promise<number>;
  /** Its exit code; 128 + N where signal N ended it. */
  readonly ended: Promise<number>;
}

/** How a Java program is started. */
export interface JavaOptions {
  /** Its classes are written there when it ends. */
  readonly archiveClasses?: string | undefined;
  readonly heap: string;
  readonly directory: string;
  readonly definitions?: readonly string[];
  /** A pipe to its standard input; without, it finds it empty. */
  readonly input?: string | Uint8Array;
}

/** Where the classes are kept as Kafka's programs have them in memory, once `prepare_starts.ts` has put them there. */
export function archivePath(): string {
  return classArchive(POM, "kafka-broker");
}

/** Where the files stand that Kafka's tool makes in the directory of a new broker, once `prepare_starts.ts` has put them there. */
export function formattedPath(): string {
  return `${archivePath()}.formatted`;
}

function archiveOptions({ archiveClasses }: JavaOptions): string[] {
  if (archiveClasses !== undefined) return [`-XX:ArchiveClassesAtExit=${archiveClasses}`];
  // Of another virtual machine it is left alone, and nothing shall be said of that.
  return existsSync(archivePath()) ? [`-XX:SharedArchiveFile=${archivePath()}`, "-Xlog:cds*=off"] : [];
}

/** Starts a class of Kafka's. */
export function startJava(name: string, words: readonly string[], options: JavaOptions): JavaProcess {
  const command = [
    "java",
    `-Xmx${options.heap}`,
    ...OPTIONS,
    ...archiveOptions(options),
    ...UTF_8_OPTIONS,
    ...(options.definitions ?? []),
    "-cp",
    classPath(POM, "kafka-broker"),
    name,
    ...words,
  ];
  const child = spawn("sh", ["-c", GUARD, "sh", ...command], {
    cwd: options.directory,
    stdio: ["pipe", "pipe", "pipe", "pipe", "pipe"],
  });
  const input = child.stdio[3] as unknown as NodeJS.WritableStream;
  input.on("error", () => {}); // It may end before it has read everything.
  input.end(options.input ?? "");
  child.stdin!.on("error", () => {});
  const pids = child.stdio[4] as unknown as NodeJS.ReadableStream;
  const pid = new Promise<number>((resolve, reject) => {
    let text = "";
    pids.on("data", (chunk) => {
      text += String(chunk);
      if (text.includes("\n")) resolve(Number(text));
    });
    pids.on("end", () => reject(new Error("the program could not be started")));
    child.on("error", reject);
  });
  pid.catch(() => {});
  const ended = new Promise<number>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve(code ?? 137));
  });
  ended.catch(() => {});
  return { child, pid, ended };
}

/** What a tool printed. */
export interface ToolResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a tool to its end; after `limitMs` it is killed and this rejects. */
export async function runJava(
  name: string,
  words: readonly string[],
  options: JavaOptions & { readonly limitMs?: number },
): Promise<ToolResult> {
  const { child, ended } = startJava(name, words, options);
  let stdout = "";
  let stderr = "";
  child.stdout!.setEncoding("utf8").on("data", (text: string) => void (stdout += text));
  child.stderr!.setEncoding("utf8").on("data", (text: string) => void (stderr += text));
  const limitMs = options.limitMs ?? 60_000;
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    child.stdin!.end();
  }, limitMs);
  try {
    const status = await ended;
    if (isLate) {
      throw new Error(`${name} was not done within ${limitMs} ms: ${stderr.slice(-2000)}${stdout.slice(-500)}`);
    }
    return { status, stdout, stderr };
  } finally {
    clearTimeout(timer);
    child.stdin!.end();
  }
}
