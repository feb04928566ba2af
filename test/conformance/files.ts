/** Conformance of an open file. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Vfs, VfsFile } from "../../src/vfs.ts";
import { bytesAt, chance, contentOf, fails, fill, get, type MakeVfs, outOfRange, sameBytes, use } from "./subject.ts";

const MIB = 1 << 20;
const SIZES = [0, 1, 511, 512, 4095, 4096, 4097, 65_535, 65_536, 65_537, 3 * MIB];
const POSITIONS = [0, 1, 4095, 4096, 70_001];
const BAD_POSITIONS: readonly unknown[] = [-1, NaN, 1.5, 2 ** 53, Infinity, undefined, null, "0", 0n];

function useFile(makeVfs: MakeVfs, body: (file: VfsFile, vfs: Vfs, path: string) => Promise<void>): Promise<void> {
  return use(makeVfs, async ({ vfs, directory }) => {
    const path = `${directory}/file`;
    const file = await vfs.open(path, "create");
    await body(file, vfs, path);
    await file.close();
  });
}

export function describeFiles(makeVfs: MakeVfs): void {
  describe("read and write", () => {
    it("moves any size at any position", () =>
      useFile(makeVfs, async (file) => {
        for (const size of SIZES) {
          for (const position of POSITIONS) {
            await file.truncate(0);
            await file.write(bytesAt(position, size), position);
            assert.equal(await file.size(), size === 0 ? 0 : position + size);
            const into = new Uint8Array(size).fill(0xee);
            assert.equal(await file.read(into, position), size);
            sameBytes(into, bytesAt(position, size));
          }
        }
      }));

    it("writes into the middle and leaves the rest as it is", () =>
      useFile(makeVfs, async (file) => {
        for (const size of [10, 200_000]) {
          await file.write(bytesAt(0, 3 * MIB), 0);
          await file.write(new Uint8Array(size), MIB + 3);
          const expected = bytesAt(0, 3 * MIB);
          expected.fill(0, MIB + 3, MIB + 3 + size);
          sameBytes(await contentOf(file), expected);
        }
      }));

    it("writes only the part that a view shows, and reads only into it", () =>
      useFile(makeVfs, async (file) => {
        for (const size of [100, 300_000]) {
          const whole = new Uint8Array(size + 20).fill(0xaa);
          fill(whole.subarray(10, 10 + size), 0);
          await file.truncate(0);
          await file.write(whole.subarray(10, 10 + size), 0);
          assert.equal(await file.size(), size);
          const into = new Uint8Array(size + 20).fill(0xbb);
          assert.equal(await file.read(into.subarray(10, 10 + size), 0), size);
          assert.deepEqual([into[9], into[10 + size]], [0xbb, 0xbb]);
          sameBytes(into.subarray(10, 10 + size), bytesAt(0, size));
        }
      }));

    it("extends the file with zeros up to a later position", () =>
      useFile(makeVfs, async (file) => {
        await file.write(bytesAt(0, 10), 0);
        await file.write(bytesAt(0, 10), 10 * MIB);
        await file.write(bytesAt(0, 100_000), 20 * MIB);
        assert.equal(await file.size(), 20 * MIB + 100_000);
        const hole = new Uint8Array(5 * MIB).fill(1);
        assert.equal(await file.read(hole, 1000), hole.length);
        assert.ok(hole.every((byte) => byte === 0));
      }));

    it("reads fewer bytes only at the end, and none behind it", () =>
      useFile(makeVfs, async (file) => {
        await file.write(bytesAt(0, 100_000), 0);
        for (const size of [1000, 300_000]) {
          const into = new Uint8Array(size).fill(0xee);
          assert.equal(await file.read(into, 99_500), 500);
          sameBytes(into.subarray(0, 500), bytesAt(99_500, 500));
          assert.ok(into.subarray(500).every((byte) => byte === 0xee));
          assert.equal(await file.read(into, 100_000), 0);
          assert.equal(await file.read(into, 2 ** 40), 0);
        }
      }));

    it("throws a RangeError at a bad position and changes nothing", () =>
      useFile(makeVfs, async (file) => {
        await file.write(bytesAt(0, 1000), 0);
        for (const position of BAD_POSITIONS as readonly number[]) {
          for (const size of [0, 10, 200_000]) {
            await outOfRange(() => file.write(new Uint8Array(size), position));
            const into = new Uint8Array(size).fill(0xee);
            await outOfRange(() => file.read(into, position));
            assert.ok(into.every((byte) => byte === 0xee));
          }
          await outOfRange(() => file.truncate(position));
        }
        sameBytes(await contentOf(file), bytesAt(0, 1000));
      }));

    it("runs disjoint writes beside each other, and reads beside them", () =>
      useFile(makeVfs, async (file) => {
        const part = 256 * 1024;
        for (let round = 0; round < 8; round++) {
          await file.truncate(0);
          await file.write(bytesAt(0, part), 0);
          const work: unknown[] = [];
          for (let i = 8; i >= 1; i--) work.push(file.write(bytesAt(i * part, part), i * part));
          for (let i = 0; i < 8; i++) work.push(file.write(bytesAt(9 * part + i * 100, 100), 9 * part + i * 100));
          const into = new Uint8Array(part);
          work.push(file.read(into, 0));
          await Promise.all(work);
          sameBytes(into, bytesAt(0, part));
          sameBytes(await contentOf(file), bytesAt(0, 9 * part + 800));
        }
      }));

    it("agrees with an array after random writes, reads and truncates", () =>
      useFile(makeVfs, async (file) => {
        const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 32));
        const random = chance(seed);
        const below = (limit: number): number => Math.floor(random() * limit);
        const model = new Uint8Array(1_000_000);
        let size = 0;
        try {
          for (let step = 0; step < 150; step++) {
            const length = below(below(2) === 0 ? 5000 : 300_000);
            const position = below(700_000);
            const kind = below(10);
            if (kind < 5) {
              const from = new Uint8Array(length).fill(step + 1);
              await file.write(from, position);
              model.set(from, position);
              if (length > 0) size = Math.max(size, position + length);
            } else if (kind < 9) {
              const into = new Uint8Array(length);
              const count = await file.read(into, position);
              assert.equal(count, Math.max(0, Math.min(length, size - position)));
              sameBytes(into.subarray(0, count), model.subarray(position, position + count));
            } else {
              size = position;
              await file.truncate(size);
              model.fill(0, size);
            }
            assert.equal(await file.size(), size);
          }
          sameBytes(await contentOf(file), model.subarray(0, size));
        } catch (error) {
          throw new Error(`Replay with SEED=${seed}`, { cause: error });
        }
      }));
  });

  describe("truncate, sync and close", () => {
    it("cuts, and extends with zeros", () =>
      useFile(makeVfs, async (file) => {
        await file.write(bytesAt(0, 10_000), 0);
        await file.truncate(5000);
        assert.equal(await file.size(), 5000);
        await file.truncate(8000);
        const expected = new Uint8Array(8000);
        expected.set(bytesAt(0, 5000));
        sameBytes(await contentOf(file), expected);
        await file.truncate(0);
        assert.equal(await file.size(), 0);
      }));

    it("syncs what was written and truncated, and an empty file", () =>
      useFile(makeVfs, async (file, vfs, path) => {
        await file.sync();
        await file.write(bytesAt(0, 200_000), 0);
        await file.sync();
        await file.truncate(150_000);
        await file.sync();
        await file.sync();
        sameBytes(await get(vfs, path), bytesAt(0, 150_000));
      }));

    it("syncs while another part is being written", () =>
      useFile(makeVfs, async (file) => {
        await file.write(bytesAt(0, MIB), 0);
        await Promise.all([file.write(bytesAt(MIB, MIB), MIB), file.sync()]);
        sameBytes(await contentOf(file), bytesAt(0, 2 * MIB));
      }));

    it("does nothing when closed twice", () =>
      useFile(makeVfs, async (file, vfs, path) => {
        await file.write(bytesAt(0, 100_000), 0);
        await file.close();
        await file.close();
        sameBytes(await get(vfs, path), bytesAt(0, 100_000));
      }));

    it("fails after the file was closed, whatever has the freed handle now", () =>
      useFile(makeVfs, async (file, vfs, path) => {
        await file.write(bytesAt(0, 100), 0);
        await file.close();
        const other = await vfs.open(`${path}-other`, "create");
        await fails("IO", () => file.write(bytesAt(0, 10), 0));
        await fails("IO", () => file.write(bytesAt(0, 200_000), 0));
        await fails("IO", () => file.read(new Uint8Array(10), 0));
        await fails("IO", () => file.size());
        await fails("IO", () => file.truncate(0));
        await fails("IO", () => file.sync());
        await file.close();
        assert.equal(await other.size(), 0);
        await other.write(bytesAt(0, 10), 0);
        await other.close();
      }));
  });
}
