/**
 * An outbox: orders are taken while the Kafka cluster is away, and every one of them arrives there, once and in order.
 *
 *     node examples/outbox.ts DIRECTORY BROKERS TOPIC
 *
 * The same on `bun` and `deno run -A`. Every line of standard input is an order; its answer is the line `taken SHARD/OFFSET`, once the
 * disk has it: from then on it survives a power loss. A mirror runs beside it and sends what is there, as fast as the cluster takes it. The
 * broker may be away when the program starts, may be killed and come back; the program itself may be killed and started again. The mirror
 * goes on where the topic ends, and a batch whose answer got lost is known by its number, so nothing arrives twice.
 *
 * The topic has one partition here, as the log has one shard (`kafka-topics --create --topic orders --partitions 1`), and nobody else
 * writes to it. Who asks for an order again because he heard no answer gives it the same id: whoever reads the topic knows it by that.
 *
 * In a program of your own, import from "@bimip/log" and "@bimip/log/kafka".
 */
import process from "node:process";
import { createInterface } from "node:readline";
import { mirrorToKafka } from "../kafka.ts";
import { type Appended, type Log, openLog } from "../mod.ts";

/** How long it waits before it tries again what waiting alone did not help: a topic that is missing, a permission. */
const RETRY_MS = 2000;

/** Where the orders go. */
export interface OutboxTarget {
  readonly brokers: string;
  readonly topic: string;
  /** Told what keeps orders from leaving; they are taken all the same. */
  readonly onTrouble: (error: unknown) => void;
}

/** See above. One process has a directory. */
export class Outbox implements AsyncDisposable {
  readonly #log: Log;
  readonly #stop = new AbortController();
  readonly #mirroring: Promise<void>;

  private constructor(log: Log, target: OutboxTarget) {
    this.#log = log;
    this.#mirroring = this.#mirror(target);
  }

  static async open(directory: string, target: OutboxTarget): Promise<Outbox> {
    return new Outbox(await openLog(directory, { durability: "disk" }), target);
  }

  /**
   * Takes an order; resolves once the disk has it, wherever the cluster is.
   *
   * @throws {LogError} where it could not be written: then it was not taken.
   */
  take(id: string, order: string): Promise<Appended> {
    return this.#log.append({ key: id, value: order });
  }

  /** Ends. What has not left yet leaves in the next life. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#mirroring;
    await this.#log.close();
  }

  async #mirror({ brokers, topic, onTrouble }: OutboxTarget): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        // A broker that is away is waited for without end.
        await mirrorToKafka(this.#log, { brokers, topic, follow: true, requestTimeoutMs: 5000, signal });
      } catch (error) {
        if (signal.aborted) return;
        onTrouble(error);
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }
}

async function main([directory, brokers, topic]: string[]): Promise<void> {
  if (topic === undefined) {
    console.error("usage: outbox.ts DIRECTORY BROKERS TOPIC");
    process.exitCode = 2;
    return;
  }
  await using outbox = await Outbox.open(directory, {
    brokers,
    topic,
    onTrouble: (error) => console.error(`orders are waiting: ${String(error)}`),
  });
  console.log("ready");
  for await (const line of createInterface({ input: process.stdin })) {
    const { shard, offset } = await outbox.take(line.split(" ")[0], line);
    console.log(`taken ${shard}/${offset}`);
  }
}

if (import.meta.main) await main(process.argv.slice(2));
