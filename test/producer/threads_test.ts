/** Worker threads and the log's own thread append to the same shards. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { take } from "../helpers.ts";
import { verified } from "../kafka/embedded_place.ts";
import { sharedProducers } from "../kafka/shared_producers.ts";
import { expectUnion, readShards, useProducers } from "./expect.ts";

describe("producers in worker threads", () => {
  sharedProducers(false, verified);

  it("roll segments, and are acknowledged on disk", () =>
    useProducers(
      { segmentBytes: 100_000, durability: "disk", flushIntervalMs: 1, directIo: true },
      async (log, _directory, start) => {
        const count = 4000;
        const a = start(log.producer({ bufferBytes: 262_144 }), { kind: "append", name: "a", count, bytes: 100 });
        for (let i = 0; i < count; i++) {
          take(log.shard(0), { value: `main:${i}` });
          if (i % 500 === 499) await new Promise((resolve) => setTimeout(resolve, 1));
        }
        await log.flush();
        await a.next();
        assert.equal(log.shard(0).synced, 2 * count);
        expectUnion(await readShards(log), { a: count, main: count });
      },
    ));
});
