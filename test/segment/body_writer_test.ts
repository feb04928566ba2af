import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type MemoryVfs, memoryVfs } from "../../adapters/memory.ts";
import { acquireRegion, type Region, releaseRegion } from "../../src/batch/memory_pool.ts";
import { type Body, BodyWriter, PAGE_BYTES } from "../../src/segment/body_writer.ts";
import { concat } from "../fixtures/reference_batch.ts";
import type { MaybePromise } from "../../src/vfs.ts";
import { announceSeed, makeRandom } from "../fixtures/seed.ts";

const SEED = announceSeed("body_writer_test");
const PATH = "file.log";

async function writerAt(bytes: Uint8Array, options: Parameters<typeof memoryVfs>[0] = {}) {
  const vfs = memoryVfs(options);
  vfs.writeWhole(PATH, bytes);
  const writer = new BodyWriter(await completed(vfs, vfs.open(PATH, "write")), bytes.length);
  writer.useDirect(await completed(vfs, vfs.open(PATH, "write", { direct: true })));
  return { vfs, writer };
}

/** What an operation answers; others in flight may complete meanwhile. */
async function completed<T>(vfs: MemoryVfs, answer: MaybePromise<T>): Promise<T> {
  let isDone = false;
  const end = () => {
    isDone = true;
  };
  Promise.resolve(answer).then(end, end);
  for (let turns = 0; !isDone; turns++) {
    assert.ok(turns < 1000, "nothing completes it");
    vfs.step();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return answer;
}

/** A body of `length` bytes of `fill`, in pool memory, as far into a page as `place`. */
function bodyIn(region: Region, place: number, length: number, fill: number): [Uint8Array, number, number] {
  region.bytes.fill(0xee);
  region.bytes.fill(fill, place, place + length);
  return [region.bytes, place, place + length];
}

describe("writing past the page cache", () => {
  it("leaves the partial page at the end to the page cache once it is settled", async () => {
    const { vfs, writer } = await writerAt(new Uint8Array(0));
    const region = acquireRegion(3 * PAGE_BYTES);
    const body = writer.writeDirect(...bodyIn(region, 0, 2 * PAGE_BYTES + 10, 1));
    assert.ok(body !== undefined);
    await body.done;
    assert.equal(vfs.readWhole(PATH).length, 2 * PAGE_BYTES);
    await writer.settle(body);
    assert.deepEqual(vfs.readWhole(PATH), new Uint8Array(2 * PAGE_BYTES + 10).fill(1));
    releaseRegion(region);
  });

  it("takes the partial page of the body before along", async () => {
    const { vfs, writer } = await writerAt(new Uint8Array(0));
    const regions = [acquireRegion(1), acquireRegion(1)];
    const first = writer.writeDirect(...bodyIn(regions[0], 0, PAGE_BYTES + 10, 1))!;
    const second = writer.writeDirect(...bodyIn(regions[1], 10, 2 * PAGE_BYTES - 10, 2))!;
    await writer.settle(first);
    assert.equal(first.coveredBy, second);
    assert.equal(second.tail, undefined);
    assert.deepEqual(
      vfs.readWhole(PATH),
      concat(new Uint8Array(PAGE_BYTES + 10).fill(1), new Uint8Array(2 * PAGE_BYTES - 10).fill(2)),
    );
    for (const region of regions) releaseRegion(region);
  });

  it("takes a partial page along although that of an earlier body has to wait for the page cache", async () => {
    const { vfs, writer } = await writerAt(new Uint8Array(0), { async: true, auto: false });
    const regions = Array.from({ length: 4 }, () => acquireRegion(3 * PAGE_BYTES));
    const first = writer.writeDirect(...bodyIn(regions[0], 0, PAGE_BYTES + 10, 1))!;
    const cached = writer.write(...bodyIn(regions[1], 10, 100, 2));
    const third = writer.writeDirect(...bodyIn(regions[2], 110, 2 * PAGE_BYTES, 3))!;
    const fourth = writer.writeDirect(...bodyIn(regions[3], 110, 2 * PAGE_BYTES, 4))!;
    assert.deepEqual([first.coveredBy, third.coveredBy], [undefined, fourth]);
    for (const body of [first, cached, third, fourth]) await completed(vfs, writer.settle(body));
    const parts = [[PAGE_BYTES + 10, 1], [100, 2], [2 * PAGE_BYTES, 3], [2 * PAGE_BYTES, 4]];
    assert.deepEqual(vfs.readWhole(PATH), concat(...parts.map(([length, fill]) => new Uint8Array(length).fill(fill))));
    assert.deepEqual(vfs.violations, []);
    for (const region of regions) releaseRegion(region);
  });

  it("begins with the next page where it does not know what the file holds in this one", async () => {
    const { vfs, writer } = await writerAt(new Uint8Array(100).fill(9));
    const region = acquireRegion(1);
    const body = writer.writeDirect(...bodyIn(region, 100, 2 * PAGE_BYTES, 1))!;
    await writer.settle(body);
    assert.deepEqual(vfs.readWhole(PATH), concat(new Uint8Array(100).fill(9), new Uint8Array(2 * PAGE_BYTES).fill(1)));
    releaseRegion(region);
  });

  it("is refused where memory and file lie differently in their pages, and for less than a page", async () => {
    const { writer } = await writerAt(new Uint8Array(100));
    const region = acquireRegion(1);
    assert.equal(writer.writeDirect(...bodyIn(region, 0, 2 * PAGE_BYTES, 1)), undefined);
    assert.equal(writer.writeDirect(...bodyIn(region, 100, PAGE_BYTES, 1)), undefined);
    assert.equal(writer.position, 100, "nothing was taken");
    releaseRegion(region);
  });

  for (let round = 0; round < 40; round++) {
    it(`gives the same file whatever goes which way, round ${round}`, async () => {
      const random = makeRandom(SEED + round * 7919);
      const before = new Uint8Array(random(3) * 1000).fill(7);
      const { vfs, writer } = await writerAt(before, { async: true, auto: false, seed: SEED + round });
      const parts = [before];
      const pending: { body: Body; region: Region }[] = [];
      const settleFirst = async () => {
        const { body, region } = pending.shift()!;
        await completed(vfs, writer.settle(body));
        releaseRegion(region);
      };
      for (let i = 0; i < 60; i++) {
        const length = [1, 50, PAGE_BYTES, 3 * PAGE_BYTES][random(4)] + random(5000);
        const region = acquireRegion(length + 2 * PAGE_BYTES);
        const place = random(8) === 0 ? random(PAGE_BYTES) : writer.position % PAGE_BYTES;
        const [bytes, from, to] = bodyIn(region, place, length, i);
        parts.push(new Uint8Array(length).fill(i));
        const direct = random(3) > 0 ? writer.writeDirect(bytes, from, to) : undefined;
        pending.push({ region, body: direct ?? writer.write(bytes, from, to) });
        if (random(4) === 0) vfs.step();
        while (pending.length > random(7)) await settleFirst();
      }
      while (pending.length > 0) await settleFirst();
      assert.deepEqual(vfs.readWhole(PATH), concat(...parts));
      assert.deepEqual(vfs.violations, []);
    });
  }
});
