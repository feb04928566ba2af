/** Orders reach the cluster once each, whoever is away or killed meanwhile. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { openKafkaLog } from "../../kafka.ts";
import { collect, useDirectory } from "../helpers.ts";
import { Broker, whyNoKafka } from "../kafka/broker.ts";
import { createTopic } from "../kafka/create_topics.ts";

const SCRIPT = fileURLToPath(new URL("../../examples/outbox.ts", import.meta.url));
const START = "Deno" in globalThis ? ["run", "--quiet", "--no-check", "-A"] : [];
const LIMIT_MS = 40_000;

/** The example, as its own text says it is started. */
class OutboxProgram {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly ended: Promise<number | null>;

  constructor(args: readonly string[]) {
    const child = spawn(process.execPath, [...START, SCRIPT, ...args], { stdio: ["pipe", "pipe", "inherit"] });
    this.#child = child;
    this.ended = new Promise((resolve) => child.on("close", resolve));
    this.#lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  }

  async line(): Promise<string> {
    const late = setTimeout(() => this.#child.kill("SIGKILL"), LIMIT_MS);
    const { value } = await this.#lines.next();
    clearTimeout(late);
    return String(value);
  }

  /** Gives it orders, and waits for all answers. */
  async take(from: number, to: number): Promise<void> {
    for (let i = from; i < to; i++) {
      this.#child.stdin!.write(`order-${i} of ${i} apples\n`);
      assert.match(await this.line(), /^taken 0\/\d+$/);
    }
  }

  /** No more orders: it ends. */
  async end(): Promise<number | null> {
    this.#child.stdin!.end();
    return await this.ended;
  }

  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.ended;
  }
}

describe("the outbox", () => {
  it("delivers every order once, with a broker that is away at first, is killed, and comes back", {
    skip: whyNoKafka(),
  }, async () => {
    const broker = await Broker.create();
    try {
      await useDirectory(async (directory) => {
        const words = [join(directory, "orders"), broker.address, "orders"];
        let program = new OutboxProgram(words);
        assert.equal(await program.line(), "ready");
        await program.take(0, 50);
        await broker.start();
        await createTopic(broker, "orders", 1);
        await arrived(broker, 50);
        await program.take(50, 100);
        await broker.kill();
        await program.take(100, 150);
        // The program is killed, too, with orders that have not left.
        await program.kill();
        program = new OutboxProgram(words);
        assert.equal(await program.line(), "ready");
        await program.take(150, 180);
        await broker.start();
        await program.take(180, 200);
        const orders = await arrived(broker, 200);
        assert.equal(await program.end(), 0);
        assert.deepEqual(orders, Array.from({ length: 200 }, (_, i) => `order-${i} of ${i} apples`));
      });
    } finally {
      await broker.remove();
    }
  });
});

/** What the topic holds, once it holds so many. */
async function arrived(broker: Broker, count: number): Promise<string[]> {
  const log = await openKafkaLog({ brokers: broker.address, topic: "orders" });
  try {
    const end = performance.now() + LIMIT_MS;
    for (;;) {
      const orders = (await collect(log.read())).map((record) => record.text()!);
      if (orders.length >= count) return orders;
      assert.ok(performance.now() < end, `${orders.length} of ${count} orders arrived`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  } finally {
    await log.close();
  }
}
