/**
 * A real Kafka broker for tests: one node in KRaft mode, on free ports of loopback, in a directory of its own.
 *
 * ```ts
 * const skip = whyNoKafka();
 * it("…", { skip }, () => useBroker(async (broker) => {
 *   await createTopic(broker, "chat", 4);
 *   // broker.address is "127.0.0.1:PORT"
 * }));
 * ```
 */
import { randomBytes } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { LOGGING, serverProperties, TOOL_LOGGING } from "./broker_settings.ts";
import { formattedPath, type JavaOptions, type JavaProcess, runJava, startJava, type ToolResult } from "./java.ts";

export { whyNoKafka } from "./java.ts";

const START_LIMIT_MS = 90_000;
const STOP_LIMIT_MS = 40_000;
/** Any 16 bytes in base64. */
const CLUSTER_ID = "YmltaXBsb2ctdGVzdC0wMQ";

/** How a broker is set up. */
export interface BrokerOptions {
  /** Lines of `server.properties` beside or instead of the usual ones. */
  readonly settings?: Readonly<Record<string, string>>;
  /** What the Java heap may grow to. @default {"384m"} */
  readonly heap?: string;
  /** Where the broker's classes are written when it is stopped. */
  readonly archiveClasses?: string;
  /** Further words for the tool that prepares its directory. */
  readonly format?: readonly string[];
  /** For clients and for controllers. @default {free ones} */
  readonly ports?: readonly [number, number];
}

/** Runs `body` with a started broker, stops it and removes everything it had. */
export async function useBroker<T>(body: (broker: Broker) => Promise<T>, options: BrokerOptions = {}): Promise<T> {
  const broker = await Broker.create(options);
  try {
    await broker.start();
    return await body(broker);
  } finally {
    await broker.remove();
  }
}

/** A broker. `create`, then `start`; `remove` at the end, whatever happened. */
export class Broker {
  /** Holds `data`, `server.properties` and `broker.log`. */
  readonly directory: string;
  /** The broker's `log.dirs`. */
  readonly dataDirectory: string;
  readonly port: number;
  /** What clients are given: `127.0.0.1:PORT`. */
  readonly address: string;
  readonly #java: Pick<JavaOptions, "heap" | "archiveClasses">;
  readonly #formatWords: readonly string[];
  #running: JavaProcess | undefined;
  #formatted = false;

  private constructor(
    directory: string,
    port: number,
    java: Pick<JavaOptions, "heap" | "archiveClasses">,
    formatWords: readonly string[],
  ) {
    this.directory = directory;
    this.#formatWords = formatWords;
    this.dataDirectory = join(directory, "data");
    this.port = port;
    this.address = `127.0.0.1:${port}`;
    this.#java = java;
  }

  /** Makes the directory of a broker. */
  static async create(options: BrokerOptions = {}): Promise<Broker> {
    const { settings = {}, heap = "384m", archiveClasses, format = [] } = options;
    const [port, controllerPort] = options.ports ?? await freePorts(2);
    const directory = mkdtempSync(join(tmpdir(), "bimiplog-broker-"));
    const broker = new Broker(directory, port, { heap, archiveClasses }, format);
    mkdirSync(broker.dataDirectory);
    const properties = serverProperties(port, controllerPort, broker.dataDirectory, settings);
    writeFileSync(join(broker.directory, "server.properties"), properties);
    writeFileSync(join(broker.directory, "log4j2.properties"), LOGGING);
    writeFileSync(join(broker.directory, "tools.properties"), TOOL_LOGGING);
    return broker;
  }

  /** Process id while it runs. */
  async pid(): Promise<number> {
    if (this.#running === undefined) throw new Error("the broker does not run");
    return await this.#running.pid;
  }

  /** Everything that the broker has logged, in all its lives; pass the length of an earlier answer for what came since. */
  log(from = 0): string {
    try {
      return readFileSync(join(this.directory, "broker.log"), "utf8").slice(from);
    } catch {
      return "";
    }
  }

  /** Lines of the log, from `from` on, that tell of a recovery of one of the topic's partitions, or of files that it did not like. */
  recoveries(topic: string, from = 0): string[] {
    const ofTopic = (line: string) => line.includes(`partition=${topic}-`) || line.includes(`/${topic}-`);
    return this.log(from).split("\n").filter((line) =>
      /unclean shutdown/i.test(line) ||
      (ofTopic(line) && /Recovering|Rebuilding|corrupt|Could not find|WARN|ERROR/.test(line))
    );
  }

  /** Starts it, and waits until clients can come. */
  async start(): Promise<void> {
    if (this.#running !== undefined) throw new Error("the broker runs already");
    await this.format();
    const before = this.log().length;
    const running = startJava("kafka.Kafka", ["server.properties"], {
      ...this.#java,
      directory: this.directory,
      definitions: [
        `-Dlog4j2.configurationFile=${join(this.directory, "log4j2.properties")}`,
        `-Dbimiplog.logfile=${join(this.directory, "broker.log")}`,
      ],
    });
    let output = "";
    for (const stream of [running.child.stdout!, running.child.stderr!]) {
      stream.setEncoding("utf8").on("data", (text: string) => void (output = (output + text).slice(-4000)));
    }
    let status: number | undefined;
    running.ended.then((code) => {
      status = code;
      if (this.#running === running) this.#running = undefined;
    }, () => {});
    this.#running = running;
    const end = performance.now() + START_LIMIT_MS;
    while (!this.log(before).includes("Kafka Server started")) {
      if (status !== undefined || performance.now() > end) {
        const why = status === undefined ? `within ${START_LIMIT_MS} ms` : `and ended with ${status}`;
        await this.kill();
        throw new Error(`the broker did not start ${why}: ${output}${this.log(before).slice(-4000)}`);
      }
      await pause(50);
    }
  }

  /** Stops it as an operator does, so that it starts again without recovery. */
  async stop(): Promise<void> {
    await this.#end("SIGTERM");
  }

  /** Holds it where it is, as a machine does that hangs: its connections stay, and nothing is answered until the answer is called. */
  async freeze(): Promise<() => void> {
    const pid = await this.pid();
    process.kill(pid, "SIGSTOP");
    return () => void process.kill(pid, "SIGCONT");
  }

  /** Ends it in the middle of whatever it does: kill -9. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** Stops it and removes its directory. */
  async remove(): Promise<void> {
    await this.kill();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Runs one of Kafka's command line tools against this broker, to its end. Rejects where it fails. */
  async tool(
    name: string,
    words: readonly string[],
    options: { readonly input?: string | Uint8Array; readonly limitMs?: number; readonly mayFail?: boolean } = {},
  ): Promise<ToolResult> {
    const result = await this.#runTool(name, ["--bootstrap-server", this.address, ...words], options);
    if (result.status !== 0 && !options.mayFail) {
      throw new Error(`${name} ended with ${result.status}: ${result.stderr}${result.stdout}`);
    }
    return result;
  }

  #runTool(name: string, words: readonly string[], options: { input?: string | Uint8Array; limitMs?: number } = {}) {
    const definitions = [`-Dlog4j2.configurationFile=${join(this.directory, "tools.properties")}`];
    return runJava(name, words, { heap: "256m", directory: this.directory, definitions, ...options });
  }

  /** Prepares its directory, once; `start` does so by itself. */
  async format(): Promise<void> {
    if (this.#formatted) return;
    if (this.#formatWords.length === 0 && existsSync(formattedPath())) return this.#copyFormat(formattedPath(), 1);
    const words = ["format", "-t", CLUSTER_ID, "-c", "server.properties", ...this.#formatWords];
    const { status, stdout, stderr } = await this.#runTool("kafka.tools.StorageTool", words);
    if (status !== 0) throw new Error(`the broker's directory cannot be formatted: ${stderr}${stdout}`);
    this.#formatted = true;
  }

  /** Prepares its directory as that of another node of its cluster was: no Java program is started for it. */
  formatLike(other: Broker, id: number): void {
    this.#copyFormat(other.dataDirectory, id);
  }

  #copyFormat(from: string, id: number): void {
    const name = "meta.properties";
    const text = readFileSync(join(from, name), "utf8");
    const own = text.replace(/^node\.id=.*$/m, `node.id=${id}`)
      .replace(/^directory\.id=.*$/m, `directory.id=${randomBytes(16).toString("base64url")}`);
    writeFileSync(join(this.dataDirectory, name), own);
    copyFileSync(join(from, "bootstrap.checkpoint"), join(this.dataDirectory, "bootstrap.checkpoint"));
    this.#formatted = true;
  }

  async #end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    const pid = await running.pid;
    if (pid > 0) process.kill(pid, signal);
    const late = setTimeout(() => running.child.stdin!.end(), STOP_LIMIT_MS);
    const status = await running.ended;
    clearTimeout(late);
    running.child.stdin!.end();
    this.#running = undefined;
    if (signal === "SIGTERM" && status !== 143 && status !== 0) throw new Error(`the broker stopped with ${status}`);
  }
}

/** Ports that nobody listens on at this moment. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(servers.map((server) =>
    new Promise<number>((resolve, reject) => {
      server.on("error", reject);
      server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
    })
  ));
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
