/** Walking through the batches of a file. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { MemoryVfs } from "../../adapters/memory.ts";
import { memoryVfs } from "../../adapters/memory.ts";
import { readHeader } from "../../src/batch/format.ts";
import { walkBatches } from "../../src/segment/walk.ts";
import { concat, simpleBatch } from "../fixtures/reference_batch.ts";

const PATH = "shard/segment.log";
const batches = [0, 1, 2, 3, 4].map((base) => simpleBatch(base, 1, "v".repeat(base * 10)));
const positions = batches.map((_, i) => concat(...batches.slice(0, i)).length);
const segment = concat(...batches);

/** A machine, and the kinds of operations on it so far. */
function machine(content: Uint8Array = segment): [MemoryVfs, string[]] {
  const vfs = memoryVfs({ async: 0.5 });
  vfs.writeWhole(PATH, content);
  const operations: string[] = [];
  vfs.onOperation(({ kind }) => operations.push(kind));
  return [vfs, operations];
}

async function visited(vfs: MemoryVfs, from: number, to: number): Promise<[offset: number, position: number][]> {
  const seen: [number, number][] = [];
  await walkBatches(vfs, PATH, from, to, (bytes, at, position) => {
    seen.push([readHeader(bytes, at).baseOffset, position]);
  });
  return seen;
}

describe("a walk", () => {
  const all = positions.map((position, offset): [number, number] => [offset, position]);

  it("visits the batches between two positions", async () => {
    const [vfs] = machine();
    assert.deepEqual(await visited(vfs, 0, segment.length), all);
    assert.deepEqual(await visited(vfs, positions[1], positions[3]), all.slice(1, 3));
  });

  it("stops in front of a batch that is not intact", async () => {
    const damaged = segment.slice();
    damaged[positions[3] - 1] ^= 1;
    const [vfs, operations] = machine(damaged);
    assert.deepEqual(await visited(vfs, 0, segment.length), all.slice(0, 2));
    assert.equal(operations.at(-1), "close");
  });

  it("opens nothing where there is nothing to visit", async () => {
    const [vfs, operations] = machine();
    assert.deepEqual(await visited(vfs, 10, 10), []);
    assert.deepEqual(await visited(vfs, 11, 10), []);
    assert.deepEqual(operations, []);
  });

  it("waits for a visitor that takes its time", async () => {
    const [vfs] = machine();
    const seen: string[] = [];
    await walkBatches(vfs, PATH, 0, segment.length, async (bytes, at) => {
      const { baseOffset } = readHeader(bytes, at);
      seen.push(`begin ${baseOffset}`);
      await Promise.resolve();
      seen.push(`end ${baseOffset}`);
    });
    assert.deepEqual(seen, batches.flatMap((_, i) => [`begin ${i}`, `end ${i}`]));
  });

  it("closes the file when the visitor or a read fails", async () => {
    for (const visit of [() => assert.fail("enough"), () => Promise.reject(new Error("enough"))]) {
      const [vfs, operations] = machine();
      await assert.rejects(walkBatches(vfs, PATH, 0, segment.length, visit), /enough/);
      assert.equal(operations.at(-1), "close");
    }
    const [vfs, operations] = machine();
    vfs.plan({ operation: { kind: "read" }, fault: { kind: "errorBefore" } });
    await assert.rejects(visited(vfs, 0, segment.length), { code: "IO" });
    assert.equal(operations.at(-1), "close");
  });
});
