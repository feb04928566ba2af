/** The tables of the user index on real files: what a lookup reads, damage, catching up, killed writers, equal hashes. */
import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { runtimeVfs } from "../../adapters/runtime.ts";
import { type Log, openLog, type OpenOptions } from "../../mod.ts";
import { BatchBuilder } from "../../src/batch/batch_builder.ts";
import { crc32c } from "../../src/batch/crc32c.ts";
import { ATTRIBUTES_AT, CRC_AT, CRC_FROM, HEADER_BYTES, LENGTH_OVERHEAD } from "../../src/batch/format.ts";
import { writeI32, writeU16 } from "../../src/bytes.ts";
import { KeyHasher } from "../../src/users/key_hash.ts";
import { disjoint } from "../../src/users/table_format.ts";
import { verifyLog } from "../../src/verify/verify_log.ts";
import { runtimeCodecs } from "../../adapters/codecs.ts";
import { systemClock } from "../../adapters/system.ts";
import { linesOf, run } from "../cli/program.ts";
import { collect, copyAsKilled, namesIn, take, until, useDirectory } from "../helpers.ts";
import { ReadCounter } from "./read_counter.ts";

/** As the builder's blob, with its records compressed. */
function gzipped(blob: Uint8Array): Uint8Array {
  const packed = gzipSync(blob.subarray(HEADER_BYTES));
  const bytes = new Uint8Array(HEADER_BYTES + packed.length);
  bytes.set(blob.subarray(0, HEADER_BYTES));
  bytes.set(packed, HEADER_BYTES);
  writeI32(bytes, 8, bytes.length - LENGTH_OVERHEAD);
  writeU16(bytes, ATTRIBUTES_AT, 1);
  writeI32(bytes, CRC_AT, crc32c(bytes, CRC_FROM, bytes.length));
  return bytes;
}

const OPTIONS: OpenOptions = { topic: "log", segmentBytes: 1 << 20, indexLagBytes: 300_000, batchBytes: 4000 };
const VALUE = "x".repeat(80);

/** Of each user, its offsets. User `busy` has every second record, each of the others one in a hundred and a bit. */
async function fill(log: Log, count: number): Promise<Map<string, number[]>> {
  const users = new Map<string, number[]>();
  for (let i = 0; i < count; i++) {
    const key = i % 2 === 0 ? "busy" : `user-${(i * 7) % 1013}`;
    const offset = take(log.shards[0], { key, value: VALUE });
    const own = users.get(key);
    if (own === undefined) users.set(key, [offset]);
    else own.push(offset);
    if (i % 2000 === 0) await log.flush();
  }
  await log.flush();
  return users;
}

async function expectAll(log: Log, users: ReadonlyMap<string, readonly number[]>, every = 1): Promise<void> {
  let i = 0;
  for (const [key, offsets] of users) {
    if (i++ % every !== 0) continue;
    assert.deepEqual((await collect(log.user(key).read())).map((record) => record.offset), offsets, key);
    assert.equal(await log.user(key).count(), offsets.length, key);
    const last = await collect(log.user(key).read({ last: 3, reverse: true }));
    assert.deepEqual(last.map((record) => record.offset), offsets.slice(-3).reverse(), key);
  }
}

function tablesOf(directory: string): string[] {
  return namesIn(join(directory, "log-0"), ".idx").filter((name) => name.startsWith("users-"));
}

describe("tables of users", () => {
  it("answer with three reads of the index a segment, and two where the user is not in it", () =>
    useDirectory(async (directory) => {
      const log = await openLog(directory, OPTIONS);
      const users = await fill(log, 30_000);
      const done = (): boolean => tablesOf(directory).length <= namesIn(join(directory, "log-0"), ".log").length + 1;
      await until(done, "tables of finished segments to be merged");
      await log.close();
      const segments = namesIn(join(directory, "log-0"), ".log").length;
      assert.ok(segments >= 3);
      const index = [...tablesOf(directory)].reduce(
        (sum, name) => sum + statSync(join(directory, "log-0", name)).size,
        0,
      );
      assert.ok(index <= 8 * 30_000, `${index} bytes of index`);
      const counter = new ReadCounter();
      const reader = await openLog(directory, { readOnly: true, vfs: counter.vfs });
      for (const [key, most] of [["busy", 3], ["user-7", 2], ["nobody", 2]] as const) {
        counter.reads.length = 0;
        const records = await collect(reader.user(key).read({ last: 50 }));
        assert.deepEqual(records.map(({ offset }) => offset), (users.get(key) ?? []).slice(-50), key);
        const tables = new Set(counter.reads.map(({ path }) => path).filter((path) => path.includes("users-")));
        for (const table of tables) {
          const { count, bytes } = counter.of(table);
          assert.ok(count <= most, `${key}: ${count} reads of ${table}`);
          assert.ok(bytes < 20_000, `${key}: ${bytes} bytes of ${table}`);
        }
        if (key === "nobody") assert.equal(counter.of(".log").count, 0);
      }
      await expectAll(reader, users, 50);
      await reader.close();
    }));

  it("come after four times as much log where no record in it has a key, and all the same at once with the first key", () =>
    useDirectory(async (directory) => {
      const log = await openLog(directory, { ...OPTIONS, segmentBytes: 1 << 24 });
      const shard = log.shards[0];
      /** About 100 KB each. */
      const write = async (times: number): Promise<void> => {
        for (let i = 0; i < times; i++) {
          for (let k = 0; k < 1000; k++) take(shard, { value: "x".repeat(94) });
          await log.flush();
        }
      };
      await write(11);
      assert.deepEqual(tablesOf(directory), []);
      await write(3);
      await until(() => tablesOf(directory).length === 1, "a table after 1.2 MB");
      await write(5);
      assert.equal(tablesOf(directory).length, 1);
      const offset = take(shard, { key: "somebody", value: VALUE });
      await log.flush();
      await until(() => tablesOf(directory).length === 2, "a table that has a key and 500 KB without one");
      assert.deepEqual((await collect(log.user("somebody").read())).map((record) => record.offset), [offset]);
      await log.close();
    }));

  it("that are damaged are told by verify, passed over by readers, and made again by the next writer", () =>
    useDirectory(async (directory) => {
      const log = await openLog(directory, OPTIONS);
      const users = await fill(log, 15_000);
      await log.close();
      const before = tablesOf(directory);
      assert.ok(before.length > 0);
      const path = join(directory, "log-0", before[0]);
      const intact = readFileSync(path);
      for (const at of [70, 64 + 8 * 64 + 100, intact.length >> 1, intact.length - 20]) {
        const damaged = Uint8Array.from(intact);
        damaged[at] ^= 0x10;
        writeFileSync(path, damaged);
        const damages: string[] = [];
        await verifyLog({ vfs: runtimeVfs(), clock: systemClock, codecs: runtimeCodecs }, directory, {
          damage: ({ what }) => void damages.push(what),
          note: () => {},
          progress: () => {},
        });
        assert.equal(damages.length, 1, `byte ${at}`);
        const reader = await openLog(directory, { readOnly: true });
        await expectAll(reader, users, 60);
        await reader.close();
      }
      writeFileSync(path, intact.subarray(0, intact.length >> 1));
      const writer = await openLog(directory, OPTIONS);
      await expectAll(writer, users, 60);
      await until(() => !tablesOf(directory).includes(before[0]), "the damaged table to be removed");
      await writer.close();
      const again = await openLog(directory, OPTIONS);
      await again.user("busy").count();
      await again.close();
      assert.ok(tablesOf(directory).some((name) => name.startsWith(`users-${"0".repeat(20)}-`)), "not made again");
    }));

  it("of a killed writer are caught up, compressed blobs and all", () =>
    useDirectory(async (directory) => {
      const log = await openLog(join(directory, "a"), OPTIONS);
      const users = await fill(log, 5000);
      for (let i = 0; i < 40; i++) {
        const builder = new BatchBuilder();
        const own = users.get("packed") ?? [];
        users.set("packed", own);
        const base = log.shards[0].nextOffset;
        for (let j = 0; j < 50; j++) {
          builder.add({ key: j % 5 === 0 ? "packed" : `other-${j}`, value: `${i} ${j} ${VALUE}` });
          if (j % 5 === 0) own.push(base + j);
        }
        assert.equal(log.shards[0].tryAppendBatch(gzipped(builder.finish())), base);
      }
      await log.flush();
      await expectAll(log, users, 80);
      assert.equal(await log.user("packed").count(), 400);
      copyAsKilled(join(directory, "a"), join(directory, "b"));
      await log.close();
      const again = await openLog(join(directory, "b"), OPTIONS);
      await expectAll(again, users, 80);
      assert.equal(await again.user("packed").count(), 400);
      const own = users.get("packed")!;
      own.push((await again.append({ key: "packed", value: "one more" })).offset);
      assert.equal((await again.user("packed").head())?.text(), "one more");
      await again.close();
      const reader = await openLog(join(directory, "b"), { readOnly: true });
      await expectAll(reader, users, 80);
      await reader.close();
    }));

  it("of users with equal hashes answer with the records of the right key", () =>
    useDirectory(async (directory) => {
      const hash = Object.getOwnPropertyDescriptor(KeyHasher.prototype, "hash")!;
      Object.defineProperty(KeyHasher.prototype, "hash", {
        ...hash,
        value(this: KeyHasher, bytes: Uint8Array, at: number, length: number): void {
          hash.value.call(this, bytes, at, Math.min(length, 5));
        },
      });
      try {
        const log = await openLog(directory, OPTIONS);
        const users = await fill(log, 6000);
        for (const [key, offsets] of [...users].slice(0, 20)) {
          assert.deepEqual((await collect(log.user(key).read())).map(({ offset }) => offset), offsets);
          const last = await collect(log.user(key).read({ last: 4 }));
          assert.deepEqual(last.map(({ offset }) => offset), offsets.slice(-4));
        }
        await log.close();
      } finally {
        Object.defineProperty(KeyHasher.prototype, "hash", hash);
      }
    }));

  it("are left out with userStride 0, and the answers are the same", () =>
    useDirectory(async (directory) => {
      const log = await openLog(directory, { ...OPTIONS, userStride: 0 });
      const users = await fill(log, 6000);
      await expectAll(log, users, 100);
      await log.close();
      assert.deepEqual(tablesOf(directory), []);
    }));

  it("give the command users its counts, with an index and without", () =>
    useDirectory(async (directory) => {
      const log = await openLog(directory, OPTIONS);
      const users = await fill(log, 12_000);
      await log.close();
      const expected = [...users].map(([user, { length }]) => ({ user, count: length })).sort((a, b) =>
        b.count - a.count
      );
      for (const name of [undefined, ...tablesOf(directory)]) {
        if (name !== undefined) writeFileSync(join(directory, "log-0", name), "");
        const { code, stdout } = await run(["users", directory, "--top", "30", "--json"]);
        assert.equal(code, 0);
        const found = linesOf(stdout).map((line) => JSON.parse(line) as { user: string; count: number });
        assert.deepEqual(found.map(({ count }) => count), expected.slice(0, 30).map(({ count }) => count));
        for (const { user, count } of found) assert.equal(users.get(user)!.length, count);
      }
      const { stdout } = await run(["users", directory, "--top", "1"]);
      assert.match(stdout, /records +shard +user\n +6000 +0 +"busy"\n/);
    }));

  it("choose the longer one of two that overlap", () => {
    const range = (first: number, next: number): { first: number; next: number } => ({ first, next });
    assert.deepEqual(disjoint([range(0, 10), range(0, 5), range(5, 10), range(10, 12)]), [range(0, 10), range(10, 12)]);
    assert.deepEqual(disjoint([]), []);
  });

  it("are bounded by options that are checked", async () => {
    for (const options of [{ userStride: -1 }, { userStride: 5000 }, { userTableBytes: 1 }, { indexLagBytes: 0.5 }]) {
      await assert.rejects(openLog("/nowhere", options), RangeError);
    }
  });
});
