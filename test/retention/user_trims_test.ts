/** `trimUser`: what is hidden of a user, and the file that says so. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { type Log, openLog } from "../../mod.ts";
import { decodeTrims, encodeTrims, keyText, MAX_TRIMS_BYTES } from "../../src/anchor/trims_file.ts";
import { collect, fails, namesIn, reopen, take, useDirectory, useLog } from "../helpers.ts";

const OPTIONS = { topic: "log", segmentBytes: 1024, flushIntervalMs: Infinity };

/** Records 0, 2, 4, … are alice's, the others bob's. */
async function fill(log: Log, count: number): Promise<void> {
  const shard = log.shard(0);
  for (let left = count; left > 0; left--) {
    take(shard, { key: shard.nextOffset % 2 === 0 ? "alice" : "bob", value: "x".repeat(80) });
    await shard.flush();
  }
}

async function of(log: Log, key: string, options = {}): Promise<number[]> {
  return (await collect(log.user(key).read(options))).map((record) => record.offset);
}

describe("trimUser", () => {
  it("hides what is below the offset from the user's stream, and from nothing else, for good", () =>
    useDirectory(async (directory) => {
      const check = async (log: Log): Promise<void> => {
        assert.deepEqual(await of(log, "alice"), [6, 8]);
        assert.deepEqual(await of(log, "alice", { last: 5 }), [6, 8]);
        assert.deepEqual(await of(log, "alice", { reverse: true }), [8, 6]);
        assert.deepEqual(await of(log, "alice", { from: 2 }), [6, 8]);
        assert.deepEqual(await of(log, "alice", { from: 7 }), [8]);
        assert.deepEqual(await of(log, "alice", { before: 7 }), [6]);
        assert.equal(await log.user("alice").count(), 2);
        assert.equal((await log.user("alice").head())?.offset, 8);
        assert.deepEqual(await of(log, "bob"), [1, 3, 5, 7, 9]);
        assert.equal((await collect(log.read({ shard: 0 }))).length, 10);
      };
      await reopen(directory, OPTIONS, async (log) => {
        await fill(log, 10);
        const beside = await openLog(directory, { readOnly: true });
        await log.trimUser("alice", 6);
        await log.trimUser("alice", 2);
        await check(log);
        await check(beside);
        await fails("READ_ONLY", () => beside.trimUser("alice", 8));
        await beside.close();
      });
      await reopen(directory, OPTIONS, check);
      await reopen(directory, OPTIONS, async (log) => {
        await log.trimUser("alice", 10);
        assert.deepEqual(await of(log, "alice"), []);
        assert.equal(await log.user("alice").head(), undefined);
        take(log.shard(0), { key: "alice", value: "new" });
        await log.flush();
        assert.deepEqual(await of(log, "alice"), [10]);
      });
    }));

  it("takes many users at once, drops marks below the log start, and refuses what is no offset", () =>
    useLog(OPTIONS, async (log, directory) => {
      await fill(log, 20);
      const users = Array.from({ length: 200 }, (_, i) => `user ${i}`);
      await Promise.all(users.map((user) => log.trimUser(user, 10)));
      const size = (): number => readFileSync(join(directory, "log-0", "trims")).length;
      const full = size();
      assert.ok(full > 200 * 12);
      await log.shard(0).trimBefore(10);
      await log.trimUser("alice", 15);
      assert.ok(size() < 100, String(size()));
      assert.deepEqual(await of(log, "alice"), [16, 18]);
      assert.deepEqual(await of(log, "bob"), [11, 13, 15, 17, 19]);
      for (const offset of [21, -1, 0.5]) await assert.rejects(() => log.trimUser("bob", offset), RangeError);
      assert.deepEqual(namesIn(`${directory}/log-0`).filter((name) => name.startsWith("trims")), ["trims"]);
    }));

  it("says so where the file is damaged, and never takes it for none", () =>
    useDirectory(async (directory) => {
      await reopen(directory, OPTIONS, async (log) => {
        await fill(log, 10);
        await log.trimUser("alice", 6);
      });
      const path = join(directory, "log-0", "trims");
      const bytes = readFileSync(path);
      for (let bit = 0; bit < bytes.length * 8; bit += 1) {
        const flipped = Uint8Array.from(bytes);
        flipped[bit >> 3] ^= 1 << (bit & 7);
        const identity = { logId: bytes.subarray(16, 32), shard: 0 };
        assert.equal(typeof decodeTrims(flipped, identity), "string", `bit ${bit}`);
      }
      for (const damaged of [new Uint8Array(0), bytes.subarray(0, 41), new Uint8Array(100)]) {
        writeFileSync(path, damaged);
        await reopen(directory, OPTIONS, async (log) => {
          const error = await fails("CORRUPT_FILE", () => of(log, "alice"));
          assert.match(error.message, /trims is damaged.*bimiplog repair/);
          await fails("CORRUPT_FILE", () => log.user("alice").count());
          await fails("CORRUPT_FILE", () => log.trimUser("alice", 8));
          assert.equal((await collect(log.read({ shard: 0 }))).length, 10);
        });
      }
    }));

  it("reads back what it wrote", () => {
    const identity = { logId: new Uint8Array(16).fill(7), shard: 3 };
    const marks = new Map([["", 0], [keyText(new Uint8Array([0, 255, 128])), 2 ** 53 - 1], ["k".repeat(70_000), 5]]);
    const decoded = decodeTrims(encodeTrims(identity, 9, marks), identity);
    assert.ok(typeof decoded === "object");
    assert.deepEqual([...decoded.marks], [...marks]);
    assert.equal(decoded.generation, 9);
    assert.equal(typeof decodeTrims(encodeTrims(identity, 9, marks), { ...identity, shard: 2 }), "string");
    assert.ok(MAX_TRIMS_BYTES > 100_000 * 60);
  });
});
