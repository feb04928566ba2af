/** Workers for the tests of producers: started, listened to, ended. */
import { Worker } from "node:worker_threads";
import type { ProducerHandle } from "../../producer.ts";

/** What a worker is to do. */
export type Task =
  /** Appends `count` records with the values `name:0`, `name:1`, …; keys of `keys` users. */
  | {
    readonly kind: "append";
    readonly name: string;
    readonly count: number;
    readonly bytes?: number;
    readonly keys?: number;
  }
  /** Claims offsets and does nothing more, for ever. */
  | { readonly kind: "hang"; readonly offsets: number; readonly shard: number }
  /** Appends as above, but sleeps in its first claim. */
  | { readonly kind: "stall"; readonly name: string; readonly count: number; readonly sleepMs: number }
  /** Publishes what is no batch. */
  | { readonly kind: "garbage"; readonly offsets: number }
  /** Appends until it is refused. */
  | { readonly kind: "endless"; readonly name: string };

/** What a worker says. */
export interface Said {
  readonly is: "ready" | "done" | "failed";
  /** Where its records are, as far as it knows. */
  readonly places?: readonly { readonly shard: number; readonly offset: number }[];
  readonly code?: string;
  /** "all", or why not everything was written. */
  readonly flushed?: string;
  readonly taken?: number;
  readonly acknowledged?: number;
  readonly refusals?: number;
}

/** A worker that is running. */
export interface Thread {
  /** What it says next. */
  next(): Promise<Said>;
  end(): Promise<void>;
}

/** Starts a worker on its task. */
export function startThread(handle: ProducerHandle, task: Task): Thread {
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { workerData: { handle, task } });
  const said: Said[] = [];
  const waiting: { resolve: (said: Said) => void; reject: (error: unknown) => void }[] = [];
  let failure: unknown;
  worker.on("message", (message: Said) => {
    const first = waiting.shift();
    if (first === undefined) said.push(message);
    else first.resolve(message);
  });
  const fail = (error: unknown): void => {
    failure = error;
    for (const { reject } of waiting.splice(0)) reject(error);
  };
  worker.on("error", fail);
  worker.on("exit", () => fail(new Error("the worker has ended")));
  return {
    next: () => {
      const first = said.shift();
      if (first !== undefined) return Promise.resolve(first);
      if (failure !== undefined) return Promise.reject(failure);
      return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
    },
    end: async () => {
      await worker.terminate();
    },
  };
}

/** Runs `body` with workers and ends them. */
export async function useThreads(body: (start: typeof startThread) => Promise<void>): Promise<void> {
  const threads: Thread[] = [];
  try {
    await body((handle, task) => {
      const thread = startThread(handle, task);
      threads.push(thread);
      return thread;
    });
  } finally {
    await Promise.all(threads.map((thread) => thread.end()));
  }
}
