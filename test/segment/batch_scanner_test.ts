/** Scanning a `.log`: every batch once, nothing behind the end, and damage stops it where it is. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { MemoryOptions, MemoryVfs } from "../../adapters/memory.ts";
import { memoryVfs } from "../../adapters/memory.ts";
import { HEADER_BYTES, MAX_BATCH_BYTES } from "../../src/batch/format.ts";
import { BatchScanner } from "../../src/segment/batch_scanner.ts";
import { concat, referenceBatch, simpleBatch } from "../fixtures/reference_batch.ts";
import { announceSeed, makeRandom } from "../fixtures/seed.ts";

const seed = announceSeed("batch_scanner_test");

const PATH = "shard/segment.log";
const CHUNKS = [1, 61, 62, 100, 1000, 65_536];
/** As a segment is made: batches of 68 bytes and more, some empty ones, one larger than most chunks. */
const VALUE_BYTES = [0, 1, 500, 7, 3000, 40, 40, 2];
const batches = VALUE_BYTES.map((bytes, i) =>
  i === 5 ? referenceBatch({ baseOffset: i * 10 }) : simpleBatch(i * 10, 1 + i % 2, "v".repeat(bytes))
);
const segment = concat(...batches);
const starts = batches.map((_, i) => concat(...batches.slice(0, i)).length);

interface Step {
  readonly position: number;
  readonly bytes: Uint8Array;
}

interface Scan {
  readonly scanner: BatchScanner;
  /** Copies of what it stood on. */
  readonly steps: Step[];
  /** What it handed out, as it is in the end. */
  readonly views: Uint8Array[];
}

async function open(content: Uint8Array, options: MemoryOptions = {}): Promise<[MemoryVfs, BatchScannerFile]> {
  const vfs = memoryVfs(options);
  vfs.writeWhole(PATH, content);
  return [vfs, await vfs.open(PATH, "read")];
}
type BatchScannerFile = ConstructorParameters<typeof BatchScanner>[0];

async function run(scanner: BatchScanner): Promise<Scan> {
  const steps: Step[] = [];
  const views: Uint8Array[] = [];
  while (await scanner.next()) {
    const view = scanner.bytes.subarray(scanner.at, scanner.at + scanner.size);
    views.push(view);
    steps.push({ position: scanner.position, bytes: view.slice() });
  }
  return { scanner, steps, views };
}

async function scan(content: Uint8Array, from: number, end: number, chunkBytes: number, reuse = true): Promise<Scan> {
  const [, file] = await open(content);
  return await run(new BatchScanner(file, from, end, { chunkBytes, reuse }));
}

function expectedSteps(from = 0, to = batches.length): Step[] {
  return batches.slice(from, to).map((bytes, i) => ({ position: starts[from + i], bytes }));
}

describe("a scan", () => {
  it("steps through every batch, whatever a read takes and however it is answered", async () => {
    for (const chunkBytes of CHUNKS) {
      for (const async of [false, true, 0.5]) {
        const [vfs, file] = await open(segment, { async });
        const { steps, scanner } = await run(new BatchScanner(file, 0, segment.length, { chunkBytes, reuse: true }));
        assert.deepEqual(steps, expectedSteps(), `chunks of ${chunkBytes}`);
        assert.deepEqual([scanner.fault, scanner.position, scanner.end], [undefined, segment.length, segment.length]);
        assert.equal(await scanner.next(), false);
        assert.deepEqual(vfs.violations, []);
      }
    }
  });

  it("begins and ends at any batch", async () => {
    for (let from = 0; from < batches.length; from++) {
      for (let to = from; to <= batches.length; to++) {
        const end = starts[to] ?? segment.length;
        const { steps, scanner } = await scan(segment, starts[from], end, 200);
        assert.deepEqual(steps, expectedSteps(from, to), `${from} to ${to}`);
        assert.equal(scanner.fault, undefined);
      }
    }
  });

  it("answers at once while the next batch is in memory", async () => {
    const [, file] = await open(segment, { async: true });
    const scanner = new BatchScanner(file, 0, segment.length, { chunkBytes: segment.length, reuse: true });
    assert.equal(await scanner.next(), true);
    for (let i = 1; i < batches.length; i++) assert.equal(scanner.next(), true);
    assert.equal(scanner.next(), false);
  });

  it("leaves what it handed out as it is, unless its memory may be used again", async () => {
    for (const chunkBytes of CHUNKS) {
      const { steps, views } = await scan(segment, 0, segment.length, chunkBytes, false);
      assert.deepEqual(views, steps.map(({ bytes }) => bytes));
    }
    const { scanner, views } = await scan(segment, 0, segment.length, 4000, true);
    assert.equal(new Set(views.map((view) => view.buffer)).size, 1, "4,000 bytes are enough for every batch");
    assert.equal(scanner.fault, undefined);
  });

  it("never reads behind its end", async () => {
    for (const chunkBytes of CHUNKS) {
      for (const to of [1, 4, 5, batches.length]) {
        const end = starts[to] ?? segment.length;
        const [vfs, file] = await open(segment);
        vfs.onOperation(({ kind, position, bytes }) => {
          if (kind === "read") assert.ok(position + bytes <= end, `${bytes} bytes from ${position}, end ${end}`);
        });
        await run(new BatchScanner(file, 0, end, { chunkBytes, reuse: true }));
      }
    }
  });

  it("goes on where it stood, once more is known to be good", async () => {
    for (const chunkBytes of CHUNKS) {
      const vfs = memoryVfs();
      vfs.writeWhole(PATH, new Uint8Array(0));
      const file = await vfs.open(PATH, "write");
      const scanner = new BatchScanner(file, 0, 0, { chunkBytes, reuse: false });
      const steps: Step[] = [];
      for (let i = 0; i < batches.length; i++) {
        assert.equal(await scanner.next(), false);
        await file.write(batches[i], starts[i]);
        scanner.extend(starts[i] + batches[i].length);
        steps.push(...(await run(scanner)).steps);
      }
      assert.deepEqual(steps, expectedSteps());
    }
  });
});

describe("damage in front of a scan", () => {
  it("stops it at the batch, and it stays there", async () => {
    await fc.assert(fc.asyncProperty(
      fc.nat({ max: segment.length * 8 - 1 }),
      fc.constantFrom(...CHUNKS),
      fc.boolean(),
      async (bit, chunkBytes, reuse) => {
        const content = segment.slice();
        content[bit >> 3] ^= 1 << (bit & 7);
        const damaged = starts.findLastIndex((start) => start <= bit >> 3);
        const inBatch = (bit >> 3) - starts[damaged];
        const { steps, scanner } = await scan(content, 0, segment.length, chunkBytes, reuse);
        // Base offset and epoch are guarded by others.
        if (inBatch < 8 || (inBatch >= 12 && inBatch < 16)) {
          if (scanner.fault === undefined) return assert.equal(steps.length, batches.length);
        }
        assert.deepEqual(steps, expectedSteps(0, damaged));
        assert.notEqual(scanner.fault, undefined);
        assert.equal(scanner.position, starts[damaged]);
        assert.equal(await scanner.next(), false);
        assert.equal(scanner.position, starts[damaged]);
      },
    ));
  });

  it("is passed by", async () => {
    for (const chunkBytes of CHUNKS) {
      const content = segment.slice();
      content.fill(0xff, starts[3], starts[4]);
      const { steps, scanner } = await scan(content, 0, segment.length, chunkBytes);
      assert.deepEqual(steps, expectedSteps(0, 3));
      scanner.skipTo(starts[4]);
      assert.equal(scanner.fault, undefined);
      assert.deepEqual((await run(scanner)).steps, expectedSteps(4));
      assert.equal(scanner.fault, undefined);
    }
  });

  it("is a batch that is not whole in front of the end, or in the file", async () => {
    const random = makeRandom(seed);
    for (let i = 0; i < 300; i++) {
      const end = 1 + random(segment.length - 1);
      const whole = starts.findLastIndex((start) => start <= end);
      if (starts.includes(end)) continue;
      const chunkBytes = CHUNKS[random(CHUNKS.length)];
      for (const [content, limit] of [[segment, end], [segment.subarray(0, end), segment.length]] as const) {
        const { steps, scanner } = await scan(content, 0, limit, chunkBytes);
        assert.deepEqual(steps, expectedSteps(0, whole), `end ${end}, chunks of ${chunkBytes}`);
        assert.match(scanner.fault ?? "", /bytes are left|are left$/);
        assert.equal(scanner.position, starts[whole]);
      }
    }
  });

  it("takes no memory for what a header claims [fault 48]", async () => {
    const claims = [2 ** 31 - 1, MAX_BATCH_BYTES - 12, 10_000_000, -1, -(2 ** 31)];
    for (const batchLength of claims) {
      const content = concat(batches[0], referenceBatch({ baseOffset: 1, batchLength }), batches[2]);
      for (const chunkBytes of CHUNKS) {
        const [vfs, file] = await open(content);
        vfs.onOperation(({ kind, bytes }) => {
          if (kind === "read") {
            assert.ok(bytes <= Math.max(chunkBytes, HEADER_BYTES, batches[0].length), `read of ${bytes}`);
          }
        });
        const { steps, scanner } = await run(new BatchScanner(file, 0, content.length, { chunkBytes, reuse: true }));
        assert.deepEqual(steps, expectedSteps(0, 1));
        assert.match(scanner.fault ?? "", /the length field says/);
      }
    }
  });
});

describe("a bit that a read flips once", () => {
  it("is read again and no damage [fault 23]", async () => {
    const random = makeRandom(seed);
    for (let i = 0; i < 400; i++) {
      const chunkBytes = CHUNKS[random(CHUNKS.length)];
      const async = random(2) === 0;
      const [vfs, file] = await open(segment, { async });
      const bit = random(Math.min(segment.length, Math.max(chunkBytes, HEADER_BYTES)) * 8);
      vfs.plan({ operation: { kind: "read", nth: 1 + random(3) }, fault: { kind: "flippedBit", bit } });
      const { steps, scanner } = await run(new BatchScanner(file, 0, segment.length, { chunkBytes, reuse: true }));
      assert.equal(scanner.fault, undefined, `bit ${bit}, chunks of ${chunkBytes}`);
      assert.deepEqual(steps.map(({ position }) => position), starts);
    }
  });
});
