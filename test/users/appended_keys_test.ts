/** Hashes of keys that are handed to the index as records are appended: which batch they belong to, bounded memory, the same tables. */
import assert from "node:assert/strict";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { runtimeCodecs } from "../../adapters/codecs.ts";
import { type Codecs, openLog, type OpenOptions } from "../../mod.ts";
import { connectProducer } from "../../producer.ts";
import { BatchBuilder } from "../../src/batch/batch_builder.ts";
import { AppendedKeys, HASHED_WORDS } from "../../src/users/appended_keys.ts";
import { KeyHasher } from "../../src/users/key_hash.ts";
import { collect, namesIn, take, useDirectory } from "../helpers.ts";

const LOG_ID = new Uint8Array(16).fill(3);
const TEXT = new TextEncoder();

/** A batch of `count` records with keys, whose first one is `key-<baseOffset>`. */
function append(keys: AppendedKeys, baseOffset: number, count: number): void {
  keys.begin();
  for (let i = 0; i < count; i++) {
    const bytes = TEXT.encode(`..key-${baseOffset + i}`);
    keys.key(bytes, 2, bytes.length - 2, i);
  }
  keys.sealed(baseOffset, count);
}

function expectTaken(keys: AppendedKeys, baseOffset: number, count: number): void {
  const taken = keys.take(baseOffset, count);
  assert.ok(taken !== undefined, `batch ${baseOffset}`);
  assert.equal(taken.length, count * HASHED_WORDS);
  const hasher = new KeyHasher(LOG_ID);
  for (let i = 0; i < count; i++) {
    const key = TEXT.encode(`key-${baseOffset + i}`);
    hasher.hash(key, 0, key.length);
    const words: number[] = [...taken.words.subarray(i * HASHED_WORDS, (i + 1) * HASHED_WORDS)];
    assert.deepEqual(words, [hasher.halves[0], hasher.halves[1], i]);
  }
}

describe("appended keys", () => {
  it("belong to the batch that they were sealed with", () => {
    const keys = new AppendedKeys(new KeyHasher(LOG_ID), 1 << 20);
    append(keys, 0, 3);
    append(keys, 3, 500);
    append(keys, 600, 2);
    append(keys, 602, 4);
    expectTaken(keys, 0, 3);
    expectTaken(keys, 3, 500);
    assert.equal(keys.take(503, 97), undefined, "a batch that was made elsewhere");
    assert.equal(keys.take(600, 3), undefined, "another batch with the same first offset");
    expectTaken(keys, 602, 4);
    assert.equal(keys.take(606, 1), undefined);
    append(keys, 700, 1);
    append(keys, 701, 5);
    expectTaken(keys, 701, 5);
    assert.equal(keys.take(700, 1), undefined, "forgotten with those in front");
  });

  it("of a batch that was given up are gone", () => {
    const keys = new AppendedKeys(new KeyHasher(LOG_ID), 1 << 20);
    keys.begin();
    keys.key(TEXT.encode("lost"), 0, 4, 0);
    append(keys, 10, 2);
    expectTaken(keys, 10, 2);
  });

  it("are not kept where there is no memory, until there is again", () => {
    const keys = new AppendedKeys(new KeyHasher(LOG_ID), 3 * 2048);
    append(keys, 0, 5);
    append(keys, 5, 1000);
    append(keys, 1005, 5);
    append(keys, 1010, 5);
    append(keys, 1015, 5);
    expectTaken(keys, 0, 5);
    assert.equal(keys.take(5, 1000), undefined, "more than the memory there is");
    expectTaken(keys, 1005, 5);
    append(keys, 1020, 5);
    expectTaken(keys, 1020, 5);
    keys.end();
    append(keys, 1025, 5);
    assert.equal(keys.take(1025, 5), undefined);
    const none = new AppendedKeys(new KeyHasher(LOG_ID), 100);
    append(none, 0, 5);
    assert.equal(none.take(0, 5), undefined);
  });

  for (const compression of [undefined, "gzip"] as const) {
    it(`make the same table as reading the log${compression === undefined ? "" : ", compressed"}`, () =>
      useDirectory(async (directory) => {
        const options: OpenOptions = { topic: "log", batchBytes: 4000, indexLagBytes: 8 << 20, compression };
        const log = await openLog(directory, options);
        const shard = log.shards[0];
        for (let i = 0; i < 30_000; i++) {
          const key = i % 5 === 0 ? `ключ-${i % 300}` : i % 7 === 0 ? undefined : i % 11 === 0 ? "" : `user-${i % 900}`;
          const headers: Record<string, string> = i % 13 === 0 ? { a: "b" } : {};
          take(shard, {
            key,
            value: i % 17 === 0 ? `${i}` : TEXT.encode(`message ${i} ${"x".repeat(i % 90)}`),
            headers,
          });
          if (i % 1000 === 0) {
            const builder = new BatchBuilder();
            builder.add({ key: "user-1", value: "made elsewhere" });
            const blob = builder.finish();
            while (typeof shard.tryAppendBatch(blob) === "symbol") await shard.writable();
          }
          if (i % 3000 === 0) await log.flush();
        }
        await log.close();
        const [name, ...others] = tables(directory);
        assert.deepEqual(others, []);
        const appended = readFileSync(join(directory, "log-0", name));
        rmSync(join(directory, "log-0", name));
        const again = await openLog(directory, options);
        assert.ok(await again.user("user-1").count() > 30);
        await again.close();
        assert.deepEqual(tables(directory), [name]);
        assert.ok(readFileSync(join(directory, "log-0", name)).equals(appended));
      }));
  }

  for (const isShared of [false, true]) {
    it(`need no unpacking where a builder of this program has seen none${isShared ? ", beside producers" : ""}`, () =>
      useDirectory(async (directory) => {
        let unpacked = 0;
        const codecs: Codecs = {
          ...runtimeCodecs,
          decompress(...packed) {
            unpacked++;
            return runtimeCodecs.decompress(...packed);
          },
        };
        const log = await openLog(directory, { topic: "log", codecs, indexLagBytes: 4096 });
        const producer = isShared ? connectProducer(log.producer()) : undefined;
        const append = async (...keys: (string | undefined)[]): Promise<void> => {
          const builder = new BatchBuilder({ compression: "gzip" });
          for (const key of keys) builder.add({ key, value: "x".repeat(300) });
          const appender = producer ?? log.shards[0];
          assert.equal(typeof appender.tryAppendBatch(builder.finish()), "number");
          await appender.flush("os");
        };
        for (let i = 0; i < 60; i++) await append(undefined, undefined);
        assert.equal(await log.user("alice").count(), 0);
        assert.equal(unpacked, 0);
        await append(undefined, "alice", undefined);
        await append(undefined);
        assert.deepEqual((await collect(log.user("alice").read())).map(({ offset }) => offset), [121]);
        assert.ok(unpacked > 0);
        await producer?.close();
        await log.close();
      }));
  }
});

function tables(directory: string): string[] {
  return namesIn(join(directory, "log-0"), ".idx").filter((name) => name.startsWith("users-"));
}
