/**
 * Producers in two worker threads, against one thread that does everything itself.
 *
 * @module
 */
import { rmSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { openLog } from "../../mod.ts";
import { makeRecords, type PairFigure, type Setting, type Sides, timed } from "../figure.ts";
import { appendInTurn } from "../log_side.ts";
import { threadSeconds } from "../processor_time.ts";
import type { Order } from "../producer_worker.ts";

const WORKERS = 2;
const MAIN_THREAD = "processor time of the main thread, a part of what it takes alone";

export const producers: PairFigure = {
  name: "producers",
  title: "two worker producers, tryAppend of 100-byte values to one shard, rung os",
  floor: "tryAppend of the same on the log's own thread",
  sideName: "one thread",
  goal: 1,
  messages: 4_000_000,
  values: [{ name: MAIN_THREAD, unit: "", atMost: 0.3 }],
  prepare: (setting) => Promise.resolve(sides(setting, false)),
};

export const producersGzip: PairFigure = {
  name: "producers_gzip",
  title: "two worker producers, gzip batches of 64 KiB of 100-byte values, built there, to one shard, rung os",
  floor: "tryAppend of the same on the log's own thread, compressed with gzip",
  sideName: "one thread",
  goal: 1.6,
  messages: 1_000_000,
  values: [{ name: MAIN_THREAD, unit: "", atMost: 0.3 }],
  prepare: (setting) => Promise.resolve(sides(setting, true)),
};

/** A worker that answers one word after the other. */
class Helper {
  readonly #worker = new Worker(new URL("../producer_worker.ts", import.meta.url));
  readonly #words: string[] = [];
  #wake: () => void = () => {};
  #failure: unknown;

  constructor() {
    this.#worker.on("message", (word: string) => {
      this.#words.push(word);
      this.#wake();
    });
    this.#worker.on("error", (error) => {
      this.#failure = error;
      this.#wake();
    });
  }

  tell(order: Order): void {
    this.#worker.postMessage(order);
  }

  async hear(expected: string): Promise<void> {
    while (this.#words.length === 0) {
      if (this.#failure !== undefined) throw this.#failure;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    const word = this.#words.shift();
    if (word !== expected) throw new Error(`a worker said ${word}, not ${expected}`);
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }
}

function sides({ directory, messages }: Setting, isPacked: boolean): Sides {
  const records = makeRecords();
  const workers = Array.from({ length: WORKERS }, () => new Helper());
  const share = Math.ceil(messages / WORKERS);
  let withWorkers = 0;
  let alone = 0;
  return {
    ours: {
      async run() {
        const path = `${directory}/log`;
        const log = await openLog(path);
        for (const worker of workers) worker.tell({ handle: log.producer() });
        for (const worker of workers) await worker.hear("connected");
        const before = threadSeconds();
        const seconds = await timed(async () => {
          for (const worker of workers) worker.tell({ messages: share, isPacked });
          for (const worker of workers) await worker.hear("done");
        });
        withWorkers = threadSeconds() - before;
        for (const worker of workers) await worker.hear("closed");
        const written = log.shard(0).written;
        await log.close();
        rmSync(path, { recursive: true });
        if (written !== share * WORKERS) throw new Error(`${written} of ${share * WORKERS} records were written`);
        return seconds;
      },
    },
    floor: {
      async run() {
        const path = `${directory}/alone`;
        const log = await openLog(path, isPacked ? { compression: "gzip" } : {});
        const shard = log.shard(0);
        const before = threadSeconds();
        const seconds = await timed(async () => {
          await appendInTurn(shard, records, share * WORKERS);
          await shard.flush("os");
        });
        alone = threadSeconds() - before;
        await log.close();
        rmSync(path, { recursive: true });
        return seconds;
      },
    },
    readings: () => Promise.resolve({ [MAIN_THREAD]: withWorkers / alone }),
    async close() {
      for (const worker of workers) await worker.end();
    },
  };
}
