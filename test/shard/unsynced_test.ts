import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { openLog, type OpenOptions } from "../../mod.ts";
import { collect, fails, filled, reopen, take, until, useDirectory } from "../helpers.ts";
import { ControlledVfs, failFrom } from "./controlled_vfs.ts";

const OPTIONS: OpenOptions = { topic: "log", flushIntervalMs: Infinity, maxUnsyncedBytes: 65_536 };

describe("maxUnsyncedBytes", () => {
  it("syncs a shard beside its writes, although nobody asks for it", () =>
    useDirectory(async (directory) => {
      await reopen(directory, { ...OPTIONS, segmentBytes: 300_000 }, async (log) => {
        const shard = log.shard(0);
        let most = 0;
        for (let i = 0; i < 400; i++) {
          take(shard, { value: filled(2000, i) });
          await shard.flush("os");
          most = Math.max(most, shard.written - shard.synced);
          // The sync is beside the writes: it gets the time that a disk needs.
          if (shard.written - shard.synced > 40) await new Promise((resolve) => setTimeout(resolve, 5));
        }
        assert.ok(shard.synced > 300, `synced up to ${shard.synced} of ${shard.written}`);
        assert.ok(most < 200, `up to ${most} records of 2,000 bytes were unsynced`);
        assert.equal((await collect(log.read({ shard: 0 }))).length, 400);
      });
    }));

  it("never happens where it is Infinity", () =>
    useDirectory(async (directory) => {
      await reopen(directory, { ...OPTIONS, maxUnsyncedBytes: Infinity }, async (log) => {
        const shard = log.shard(0);
        for (let i = 0; i < 100; i++) {
          take(shard, { value: filled(2000, i) });
          await shard.flush("os");
        }
        assert.equal(shard.synced, 0);
      });
    }));

  it("answers those who wait for the disk, too", () =>
    useDirectory(async (directory) => {
      await reopen(directory, OPTIONS, async (log) => {
        const shard = log.shard(0);
        for (let i = 0; i < 60; i++) take(shard, { value: filled(2000, i) });
        await Promise.all([shard.flush("os"), shard.acknowledged(30, "disk"), shard.acknowledged(59, "disk")]);
        assert.equal(shard.synced, 60);
      });
    }));

  it("poisons the shard where that sync fails", () =>
    useDirectory(async (directory) => {
      const vfs = new ControlledVfs();
      const log = await openLog(directory, { ...OPTIONS, vfs });
      const shard = log.shard(0);
      vfs.control = failFrom(1, ({ kind, path }) => kind === "sync" && path.endsWith(".log"));
      const fill = async () => {
        for (let i = 0; i < 100; i++) {
          take(shard, { value: filled(2000, i) });
          await shard.flush("os");
          await new Promise((resolve) => setTimeout(resolve, 1));
        }
      };
      await assert.rejects(fill(), { code: /IO|POISONED/ });
      await until(() => shard.state === "poisoned", "the shard is poisoned");
      await fails("POISONED", () => take(shard, { value: "later" }));
      await log.close();
    }));

  for (const maxUnsyncedBytes of [0, 65_535, 1.5, Number.NaN]) {
    it(`is refused as ${maxUnsyncedBytes}`, () =>
      useDirectory(async (directory) => {
        await assert.rejects(openLog(directory, { maxUnsyncedBytes }), RangeError);
      }));
  }
});
