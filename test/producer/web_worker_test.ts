/** Producers in the web workers of Bun and Deno. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { expectUnion, readShards, useProducers } from "./expect.ts";

interface WebWorker {
  onmessage: (event: { data: unknown }) => void;
  onerror: (event: { message?: string }) => void;
  postMessage(message: unknown): void;
  terminate(): void;
}

const { Worker } = globalThis as unknown as {
  Worker?: new (url: URL, options: { type: "module" }) => WebWorker;
};

describe("a producer in a web worker", () => {
  it(
    "is given its handle by a message",
    { skip: Worker === undefined ? "Node has no web workers" : false },
    () =>
      useProducers({ flushIntervalMs: 2 }, async (log) => {
        const worker = new Worker!(new URL("./web_worker.ts", import.meta.url), { type: "module" });
        try {
          const said = new Promise((resolve, reject) => {
            worker.onmessage = ({ data }) => resolve(data);
            worker.onerror = ({ message }) => reject(new Error(message));
          });
          worker.postMessage({ handle: log.producer(), count: 3000 });
          await log.append({ value: "main:0" });
          const { shard, offset } = await said as { shard: number; offset: number };
          const shards = await readShards(log);
          expectUnion(shards, { web: 3000, main: 1 });
          assert.equal(shards[shard][offset].text(), "web:2999");
        } finally {
          worker.terminate();
        }
      }),
  );
});
