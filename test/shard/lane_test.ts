import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BACKPRESSURE, type Log, type RecordInput } from "../../mod.ts";
import { acquireRegion, type Region, releaseRegion } from "../../src/batch/memory_pool.ts";
import { collect, filled, useLog } from "../helpers.ts";

const COUNT = 20_000;
const SHARDS = 3;

/** Keys and values of every size at which the lane writes another way, or leaves a record to the slower one. */
function recordAt(i: number): { key: string | null; value: Uint8Array } {
  const sizes = [0, 1, 62, 63, 64, 65, 100, 127, 128, 1000, 8180, 8190, 9000];
  const keys = [null, null, null, "", "k", `user-${i % 7}`, "x".repeat(62), "x".repeat(63), "x".repeat(64), "käse"];
  return { key: keys[i % keys.length], value: filled(i % 50 === 0 ? sizes[(i / 50) % sizes.length] : 64 + i % 90, i) };
}

async function appendAll(log: Log): Promise<void> {
  for (let i = 0; i < COUNT; i++) {
    const shard = log.shard(i % SHARDS);
    const record: RecordInput = recordAt(i);
    // Every fifth record goes the slower way, in between.
    const input = i % 5 === 0 ? { ...record, headers: { h: "" } } : record;
    for (;;) {
      const offset = shard.tryAppend(input);
      if (offset !== BACKPRESSURE) {
        assert.equal(offset, Math.floor(i / SHARDS));
        assert.equal(shard.nextOffset, offset + 1);
        break;
      }
      await shard.writable();
    }
  }
  await log.flush();
}

async function checkAll(log: Log): Promise<void> {
  for (const { id } of log.shards) {
    const records = await collect(log.read({ shard: id }));
    assert.equal(records.length, Math.ceil((COUNT - id) / SHARDS));
    for (const [at, record] of records.entries()) {
      const { key, value } = recordAt(at * SHARDS + id);
      assert.equal(record.keyText(), key);
      assert.deepEqual(Buffer.from(record.value!), Buffer.from(value));
    }
  }
}

/** A user's records are looked for on the user's own shard. */
async function checkUser(log: Log): Promise<void> {
  const home = log.shardFor("user-3").id;
  let expected = 0;
  for (let i = home; i < COUNT; i += SHARDS) if (recordAt(i).key === "user-3") expected++;
  assert.ok(expected > 0);
  assert.equal((await collect(log.user("user-3").read())).length, expected);
}

/** Takes all that the pool has left: other tests of this process may hold some of it. */
function takeRest(): Region[] {
  const regions: Region[] = [];
  do {
    regions.push(acquireRegion(1));
  } while (regions[regions.length - 1].address !== -1);
  return regions;
}

describe("the lane of plain records", () => {
  it("takes records of all sizes beside the slower way, shard after shard", () =>
    useLog({ shards: SHARDS }, async (log) => {
      await appendAll(log);
      await checkAll(log);
      await checkUser(log);
    }));

  it("does so in ordinary memory, where the pool has no more", async () => {
    const rest = takeRest();
    try {
      await useLog({ shards: SHARDS }, async (log) => {
        await appendAll(log);
        await checkAll(log);
        await checkUser(log);
      });
    } finally {
      rest.forEach(releaseRegion);
    }
  });

  it("goes from memory of one kind to the other with its open batch, and back", () =>
    useLog({ flushIntervalMs: Infinity }, async (log) => {
      const shard = log.shard(0);
      const values = Array.from({ length: 4000 }, (_, i) => filled(100, i));
      const append = (from: number, to: number): void => {
        for (const value of values.slice(from, to)) assert.notEqual(shard.tryAppend({ value }), BACKPRESSURE);
      };
      append(0, 300);
      const rest = takeRest();
      try {
        append(300, 1000);
      } finally {
        rest.forEach(releaseRegion);
      }
      append(1000, values.length);
      await log.flush();
      const records = await collect(log.read());
      assert.deepEqual(records.map((record) => Buffer.from(record.value!)), values.map((value) => Buffer.from(value)));
    }));
});
