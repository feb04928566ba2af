/** Workers that consume: started, listened to, ended. */
import { Worker } from "node:worker_threads";
import type { ConsumerHandle } from "../../consumer.ts";

/** What a worker is to do. */
export interface Task {
  readonly follow?: boolean;
  /** Blocks its thread after so many records. */
  readonly hangAfter?: number;
  /** For so long; absent: until it is released. */
  readonly hangMs?: number;
  readonly pauseMs?: number;
}

/** What a worker says. */
export interface Said {
  readonly is: "refused" | "hanging" | "done" | "failed";
  readonly shard?: number;
  readonly offset?: number;
  readonly code?: string;
}

/** What a worker got: in memory that is shared, for what a terminated worker has posted may never arrive (Deno drops it). */
export interface Deliveries {
  add(record: { shard: number; offset: number }): void;
  list(): { shard: number; offset: number }[];
}

const MAX_DELIVERIES = 65_536;

/** The deliveries in `memory`. */
export function deliveries(memory: SharedArrayBuffer): Deliveries {
  const words = new Int32Array(memory);
  return {
    add({ shard, offset }) {
      const count = words[0];
      if (count === MAX_DELIVERIES) throw new Error(`more than ${MAX_DELIVERIES} records`);
      words.set([shard, offset], 1 + count * 2);
      Atomics.store(words, 0, count + 1);
    },
    list: () =>
      Array.from({ length: Atomics.load(words, 0) }, (_, i) => ({ shard: words[1 + i * 2], offset: words[2 + i * 2] })),
  };
}

/** A worker that is running. */
export interface Consuming {
  /** The records that it got, also when it is terminated. */
  delivered(): { shard: number; offset: number }[];
  readonly said: Said[];
  /** Resolves once `check` holds of what was said; rejects after 20 seconds. */
  until(check: (said: readonly Said[]) => boolean): Promise<void>;
  /** Lets it go on where it hangs. */
  release(): void;
  end(): Promise<void>;
}

/** Starts a worker. */
export function startConsuming(handle: ConsumerHandle, task: Task): Consuming {
  const delivered = new SharedArrayBuffer(4 + MAX_DELIVERIES * 8);
  const gate = new Int32Array(new SharedArrayBuffer(4));
  const workerData = { handle, task, delivered, gate };
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { workerData });
  const said: Said[] = [];
  const checks = new Set<() => void>();
  worker.on("message", (message: Said) => {
    said.push(message);
    for (const check of [...checks]) check();
  });
  worker.on("error", (error) => {
    said.push({ is: "failed", code: String(error) });
    for (const check of [...checks]) check();
  });
  return {
    delivered: deliveries(delivered).list,
    said,
    until: (condition) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          checks.delete(check);
          reject(new Error(`the worker said only ${JSON.stringify(said.slice(-5))} (${said.length} in all)`));
        }, 20_000);
        function check(): void {
          if (!condition(said)) return;
          clearTimeout(timer);
          checks.delete(check);
          resolve();
        }
        checks.add(check);
        check();
      }),
    release: () => {
      Atomics.store(gate, 0, 1);
      Atomics.notify(gate, 0);
    },
    end: async () => {
      await worker.terminate();
    },
  };
}

/** Runs `body` with workers and ends them. */
export async function useWorkers(body: (start: typeof startConsuming) => Promise<void>): Promise<void> {
  const workers: Consuming[] = [];
  try {
    await body((handle, task) => {
      const worker = startConsuming(handle, task);
      workers.push(worker);
      return worker;
    });
  } finally {
    await Promise.all(workers.map((worker) => worker.end()));
  }
}
