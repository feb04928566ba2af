/** Keys that are watched while records and batches go by. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { runtimeCodecs } from "../../adapters/codecs.ts";
import { BatchBuilder } from "../../src/batch/batch_builder.ts";
import type { Codecs } from "../../src/batch/codecs.ts";
import { patchBatch } from "../../src/batch/format.ts";
import { WatchedKeys } from "../../src/shard/watched_keys.ts";

const utf8 = new TextEncoder();
const MAX_IDLE_KEYS = 4096;
const MAX_UNASKED_RECORDS = 65_536;

function watch(codecs: Codecs = runtimeCodecs): { watched: WatchedKeys; unused: () => number } {
  let count = 0;
  return { watched: new WatchedKeys(codecs, () => count++), unused: () => count };
}

function batch(
  keys: readonly (string | null)[],
  baseOffset: number,
  compression: "none" | "gzip" = "none",
): Uint8Array {
  const builder = new BatchBuilder({ compression, codecs: runtimeCodecs });
  for (const key of keys) builder.add({ key, value: "v".repeat(100) });
  const blob = builder.finish();
  patchBatch(blob, 0, baseOffset, 0);
  return blob;
}

describe("watched keys", () => {
  it("know the newest offset of a key, also where another one has the same hash", () => {
    const { watched } = watch();
    // The two have the same 32-bit FNV-1a hash.
    const first = watched.pin(utf8.encode("costarring"));
    const second = watched.pin(utf8.encode("liquid"));
    assert.equal(first.hash, second.hash);
    watched.saw(utf8.encode("costarring, and what else is in the buffer"), 10, 3);
    watched.saw(utf8.encode("liquid"), 6, 5);
    watched.saw(utf8.encode("liquid"), -1, 6);
    watched.saw(utf8.encode("liquor"), 6, 7);
    watched.saw(utf8.encode("liquid"), 6, 4);
    assert.deepEqual([first.head, second.head], [3, 5]);
    assert.equal(watched.pin(utf8.encode("liquid")), second);
    const third = watched.pin(utf8.encode("declinate"));
    const fourth = watched.pin(utf8.encode("macallums"));
    assert.equal(third.hash, fourth.hash);
    watched.saw(utf8.encode("macallums"), 9, 8);
    assert.deepEqual([third.head, fourth.head], [-1, 8]);
  });

  it("look into batches, compressed ones and those without keys too", () => {
    const { watched } = watch();
    const alice = watched.pin(utf8.encode("alice"));
    const blobs = [batch(["bob", "alice", null], 10), batch([null, "alice"], 13, "gzip")];
    const bytes = new Uint8Array(blobs[0].length + blobs[1].length);
    bytes.set(blobs[0]);
    bytes.set(blobs[1], blobs[0].length);
    watched.sawBatches(bytes, 0, blobs[0].length);
    assert.equal(alice.head, 11);
    watched.sawBatches(bytes, blobs[0].length, bytes.length);
    assert.equal(alice.head, 14);
    assert.equal(watched.version, 0);
  });

  it("know nothing any more once something went by that cannot be looked into", () => {
    const failing: Codecs = {
      decompress() {
        throw new Error("the codec is broken");
      },
    };
    for (const codecs of [{ decompress: () => undefined }, failing]) {
      const { watched } = watch(codecs);
      const alice = watched.pin(utf8.encode("alice"));
      const bob = watched.pin(utf8.encode("bob"));
      watched.unpin(bob);
      alice.isKnown = true;
      const blob = batch(["alice", "bob", "carol"], 0, "gzip");
      watched.sawBatches(blob, 0, blob.length);
      assert.equal(watched.version, 1);
      assert.equal(alice.isKnown, false);
      assert.notEqual(watched.pin(utf8.encode("bob")), bob);
    }
  });

  it("forget the keys that nobody asked for the longest, and all of them after a long time", () => {
    const { watched, unused } = watch();
    const first = watched.pin(utf8.encode("costarring"));
    const kept = watched.pin(utf8.encode("liquid"));
    watched.unpin(first);
    for (let i = 0; i < MAX_IDLE_KEYS; i++) watched.unpin(watched.pin(utf8.encode(`key ${i}`)));
    const again = watched.pin(utf8.encode("costarring"));
    assert.notEqual(again, first);
    assert.equal(watched.pin(utf8.encode("liquid")), kept);
    for (let i = 0; i <= MAX_UNASKED_RECORDS; i++) watched.saw(utf8.encode("x"), 1, i);
    assert.equal(unused(), 0, "somebody asks");
    for (const pinned of [again, kept, kept]) watched.unpin(pinned);
    watched.saw(utf8.encode("x"), 1, MAX_UNASKED_RECORDS + 1);
    assert.equal(unused(), 1);
  });
});
