/** Conformance of what a file is written from and read into: shared memory, WebAssembly memory, direct access. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { bytesAt, fails, fill, get, type Lacks, type MakeVfs, put, sameBytes, use } from "./subject.ts";

const PAGE = 65_536;

const KINDS: readonly (readonly [name: string, make: () => ArrayBufferLike])[] = [
  ["a SharedArrayBuffer", () => new SharedArrayBuffer(16 * PAGE)],
  ["a WebAssembly memory", () => new WebAssembly.Memory({ initial: 16, maximum: 16 }).buffer],
  ["a shared WebAssembly memory", () => new WebAssembly.Memory({ initial: 16, maximum: 16, shared: true }).buffer],
];

/** Page-aligned, as direct access demands. */
function aligned(size: number): Uint8Array {
  return new Uint8Array(new WebAssembly.Memory({ initial: Math.ceil(size / PAGE) }).buffer, 0, size);
}

export function describeMemoryKinds(makeVfs: MakeVfs, lacks: Lacks): void {
  describe("memory", () => {
    for (const [name, make] of KINDS) {
      it(`is written from ${name} and read into it`, () =>
        use(makeVfs, async ({ vfs, directory }) => {
          const file = await vfs.open(`${directory}/file`, "create");
          const memory = make();
          for (const size of [1000, 400_000]) {
            const view = new Uint8Array(memory, 4096, size);
            fill(view, 77);
            await file.write(view, 77);
            view.fill(0);
            assert.equal(await file.read(view, 77), size);
            sameBytes(view, bytesAt(77, size));
          }
          await file.close();
        }));
    }
  });

  describe("direct access", () => {
    if (lacks.direct !== undefined) {
      it(`is refused with UNSUPPORTED and leaves no file (${lacks.direct})`, () =>
        use(makeVfs, async ({ vfs, directory }) => {
          await put(vfs, `${directory}/old`, bytesAt(0, 10));
          await fails("UNSUPPORTED", () => vfs.open(`${directory}/old`, "write", { direct: true }));
          await fails("UNSUPPORTED", () => vfs.open(`${directory}/new`, "create", { direct: true }));
          assert.deepEqual((await vfs.list(directory)).map((entry) => entry.name), ["old"]);
        }));
      return;
    }

    it("moves whole pages and fits together with cached access", () =>
      use(makeVfs, async ({ vfs, directory }) => {
        const file = await vfs.open(`${directory}/file`, "create", { direct: true });
        for (const size of [4096, 16_384, 1 << 20]) {
          const memory = aligned(size);
          fill(memory, size);
          await file.write(memory, size);
          memory.fill(0);
          assert.equal(await file.read(memory, size), size);
          sameBytes(memory, bytesAt(size, size));
        }
        await file.sync();
        await file.close();
        sameBytes((await get(vfs, `${directory}/file`)).subarray(1 << 20), bytesAt(1 << 20, 1 << 20));
      }));

    it("reads up to an end within a page, and cuts there", () =>
      use(makeVfs, async ({ vfs, directory }) => {
        const file = await vfs.open(`${directory}/file`, "create", { direct: true });
        const memory = aligned(65_536);
        await file.write(fill(memory, 0), 0);
        await file.truncate(5000);
        assert.equal(await file.size(), 5000);
        assert.equal(await file.read(memory, 0), 5000);
        sameBytes(memory.subarray(0, 5000), bytesAt(0, 5000));
        assert.equal(await file.read(memory, 4096), 904);
        assert.equal(await file.read(memory, 8192), 0);
        await file.close();
      }));

    it("refuses memory, positions and sizes that are not whole pages", () =>
      use(makeVfs, async ({ vfs, directory }) => {
        const file = await vfs.open(`${directory}/file`, "create", { direct: true });
        const memory = aligned(65_536);
        await assert.rejects(async () => await file.write(memory, 100));
        await assert.rejects(async () => await file.write(memory.subarray(0, 5000), 0));
        await assert.rejects(async () => await file.write(memory.subarray(1, 4097), 0));
        await assert.rejects(async () => await file.read(memory, 100));
        assert.equal(await file.size(), 0);
        await file.close();
      }));

    it("runs disjoint writes beside each other", () =>
      use(makeVfs, async ({ vfs, directory }) => {
        const file = await vfs.open(`${directory}/file`, "create", { direct: true });
        const size = 256 * 1024;
        const write = (i: number): unknown => file.write(fill(aligned(size), i * size), i * size);
        await Promise.all([3, 1, 0, 2].map(write));
        await file.close();
        sameBytes(await get(vfs, `${directory}/file`), bytesAt(0, 4 * size));
      }));
  });
}
