/** Conformance of `lock` within one process. See `lock_test.ts` for several. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fails, type Lacks, type MakeVfs, use } from "./subject.ts";

const MODES = ["exclusive", "shared"] as const;

export function describeLocks(makeVfs: MakeVfs, lacks: Lacks): void {
  describe("lock", () => {
    for (const held of MODES) {
      for (const wanted of MODES) {
        const isFree = held === "shared" && wanted === "shared";
        it(`${held} ${isFree ? "goes together with" : "excludes"} ${wanted}, at once`, () =>
          use(makeVfs, async ({ vfs, directory }) => {
            const path = `${directory}/lock`;
            const first = await vfs.lock(path, held);
            for (let i = 0; i < 3; i++) {
              const start = performance.now();
              if (isFree) await (await vfs.lock(path, wanted)).release();
              else assert.equal((await fails("BUSY", () => vfs.lock(path, wanted))).path, path);
              assert.ok(performance.now() - start < 500, "It waited");
            }
            await first.release();
            await (await vfs.lock(path, wanted)).release();
          }));
      }
    }

    it("is held until the last of several shared holders has released it", () =>
      use(makeVfs, async ({ vfs, directory }) => {
        const path = `${directory}/lock`;
        const first = await vfs.lock(path, "shared");
        const second = await vfs.lock(path, "shared");
        await first.release();
        await fails("BUSY", () => vfs.lock(path, "exclusive"));
        await second.release();
        await (await vfs.lock(path, "exclusive")).release();
      }));

    it("is released once: a second release does not free somebody else's", () =>
      use(makeVfs, async ({ vfs, directory }) => {
        const path = `${directory}/lock`;
        const first = await vfs.lock(path, "exclusive");
        await first.release();
        const second = await vfs.lock(path, "exclusive");
        await first.release();
        await fails("BUSY", () => vfs.lock(path, "shared"));
        await second.release();
      }));

    it("locks each path by itself", () =>
      use(makeVfs, async ({ vfs, directory }) => {
        const first = await vfs.lock(`${directory}/a`, "exclusive");
        const second = await vfs.lock(`${directory}/b`, "exclusive");
        await fails("BUSY", () => vfs.lock(`${directory}/a`, "exclusive"));
        await first.release();
        await second.release();
      }));

    it("leaves one empty file, which is locked again later", () =>
      use(makeVfs, async ({ vfs, directory }) => {
        for (const mode of MODES) {
          const lock = await vfs.lock(`${directory}/lock`, mode);
          assert.deepEqual(await vfs.list(directory), [{ name: "lock", kind: "file" }]);
          await lock.release();
        }
        assert.deepEqual(await vfs.list(directory), [{ name: "lock", kind: "file" }]);
        const file = await vfs.open(`${directory}/lock`, "read");
        assert.equal(await file.size(), 0);
        await file.close();
      }));

    it(
      "creates its file with mode 0600",
      { skip: lacks.modes ?? false },
      () =>
        use(makeVfs, async ({ vfs, directory, modeOf }) => {
          const lock = await vfs.lock(`${directory}/lock`, "exclusive");
          assert.equal(modeOf?.(`${directory}/lock`), 0o600);
          await lock.release();
        }),
    );

    it("is refused on a directory, on a link, and where there is no directory", () =>
      use(makeVfs, async ({ vfs, directory, plantLink }) => {
        await vfs.makeDirectory(`${directory}/sub`);
        plantLink(`${directory}/elsewhere`, `${directory}/link`);
        await fails("IO", () => vfs.lock(`${directory}/sub`, "exclusive"));
        await fails("IO", () => vfs.lock(`${directory}/link`, "exclusive"));
        await fails("NOT_FOUND", () => vfs.lock(`${directory}/none/lock`, "exclusive"));
        assert.deepEqual((await vfs.list(directory)).map((entry) => entry.name), ["link", "sub"]);
      }));
  });
}
