import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { runtimeVfs } from "../../adapters/runtime.ts";
import { openLog } from "../../mod.ts";
import { readManifest } from "../../src/log/manifest.ts";
import { type Inventory, takeInventory } from "../../src/recovery/inventory.ts";
import { collect, fails, listing, outcomeOf, reopen, take, texts, useDirectory, useLog } from "../helpers.ts";
import { start } from "../runtimes/children.ts";
import { ControlledVfs, useHeldLog } from "../shard/controlled_vfs.ts";

/** What stands in the files of shard 0. */
async function inventoryOf(directory: string): Promise<Inventory> {
  const { manifest } = await readManifest(runtimeVfs(), directory);
  return await takeInventory(runtimeVfs(), join(directory, "log-0"), manifest!.id, 0);
}

describe("closing", () => {
  it("writes what was taken, makes it durable, and marks the log clean", () =>
    useDirectory(async (directory) => {
      const log = await openLog(directory, { topic: "log", flushIntervalMs: Infinity });
      for (let i = 0; i < 10; i++) take(log.shard(0), { value: `${i}` });
      const appended = log.append({ value: "10" });
      const flushed = log.shard(0).flush("disk");
      await log.close();
      assert.deepEqual(await appended, { shard: 0, offset: 10 });
      assert.equal(await flushed, 11);
      assert.equal(log.shard(0).synced, 11);
      const { state } = await inventoryOf(directory);
      assert.equal(state?.clean?.nextOffset, 11);
      assert.equal(state?.epoch, 1);
      await reopen(directory, {}, async (again) => assert.equal((await texts(again.read())).length, 11));
    }));

  it("marks a log clean that was opened after a crash, also where nothing is appended", () =>
    useDirectory(async (directory) => {
      const parent = join(directory, "log");
      const holder = start("holder.ts", { directory: parent, append: 3 });
      await holder.line("open");
      await holder.kill();
      assert.equal((await inventoryOf(parent)).state?.clean, undefined);
      await reopen(parent, {}, () => {});
      assert.equal((await inventoryOf(parent)).state?.clean?.nextOffset, 3);
      await reopen(parent, {}, async (log) => assert.deepEqual(await texts(log.read()), ["0", "1", "2"]));
    }));

  it("twice, or twice at once, does nothing more", () =>
    useLog({}, async (log) => {
      await log.append({ value: "x" });
      await Promise.all([log.close(), log.close()]);
      await log.close();
      await log[Symbol.asyncDispose]();
    }));

  it("is what `await using` does", () =>
    useDirectory(async (directory) => {
      {
        await using log = await openLog(directory);
        take(log.shard(0), { value: "x" });
      }
      await reopen(directory, {}, async (log) => assert.deepEqual(await texts(log.read()), ["x"]));
    }));

  it("lets everything afterwards fail with CLOSED", () =>
    useLog({ shards: 2 }, async (log) => {
      await log.append({ key: "k", value: "x" });
      const user = log.user("k");
      await log.close();
      const shard = log.shard(0);
      for (
        const call of [
          () => log.append({ value: "y" }),
          () => log.read(),
          () => log.flush(),
          () => shard.tryAppend({ value: "y" }),
          () => shard.tryAppendBatch(new Uint8Array(61)),
          () => shard.writable(),
          () => shard.flush(),
          () => user.read(),
          () => user.count(),
          () => user.head(),
          () => log.user("k").read(),
        ]
      ) await fails("CLOSED", call);
    }));

  it("refuses what comes while it is under way, and completes what came before", () =>
    useHeldLog({}, async (log, gate) => {
      take(log.shard(0), { value: "before" });
      const appended = log.append({ value: "too" });
      const closed = log.close();
      await fails("CLOSED", () => log.append({ value: "late" }));
      await fails("CLOSED", () => log.shard(0).tryAppend({ value: "late" }));
      assert.equal(await outcomeOf(closed), "pending");
      gate.open();
      await closed;
      assert.deepEqual(await appended, { shard: 0, offset: 1 });
    }));

  it("frees the directory for the next writer", () =>
    useDirectory(async (directory) => {
      for (let i = 0; i < 5; i++) await reopen(directory, {}, (log) => log.append({ value: `${i}` }));
      await reopen(directory, {}, async (log) => assert.equal((await texts(log.read())).length, 5));
    }));
});

describe("a log of 64 shards", () => {
  it("has files of their own only for those that were used", () =>
    useLog({ shards: 64 }, async (log, directory) => {
      const used = [3, 17, 63];
      for (const id of used) take(log.shard(id), { value: `to ${id}` });
      await log.flush();
      for (let id = 0; id < 64; id++) {
        const names = readdirSync(join(directory, `log-${id}`)).sort();
        const expected = ["00000000000000000000.idx", "00000000000000000000.log", "anchor", "state"];
        assert.deepEqual(names, used.includes(id) ? expected : [], `shard ${id}`);
      }
      assert.deepEqual(await texts(log.read({ shard: 17 })), ["to 17"]);
      assert.equal((await collect(log.read())).length, 3);
    }));

  it("writes nothing to shards that are idle, whatever is opened, read, flushed and closed", () =>
    useDirectory(async (directory) => {
      await reopen(directory, { shards: 64, topic: "log" }, (log) => {
        for (const shard of log.shards) take(shard, { value: "x" });
      });
      const shardFiles = (): [string, string][] =>
        Object.entries(listing(directory)).filter(([path]) => path.startsWith("log-"));
      const before = shardFiles();
      assert.equal(before.length, 64 * 5);
      const vfs = new ControlledVfs();
      await reopen(directory, { vfs }, async (log) => {
        assert.equal((await collect(log.read())).length, 64);
        await log.flush("disk");
        take(log.shard(5), { value: "y" });
        await log.flush("disk");
      });
      const changed = new Set(vfs.operations.filter(({ path }) => path.includes("/log-")).map(({ path }) => path));
      for (const path of changed) assert.match(path, /\/log-5(\/|$)/);
      const idle = ([path]: [string, string]): boolean => !/^log-5(\/|$)/.test(path);
      assert.deepEqual(shardFiles().filter(idle), before.filter(idle));
    }));

  it("opens and closes in a moment", () =>
    useDirectory(async (directory) => {
      await reopen(directory, { shards: 64, topic: "log" }, (log) => {
        for (const shard of log.shards) take(shard, { value: "x" });
      });
      const started = performance.now();
      for (let i = 0; i < 3; i++) await reopen(directory, {}, () => {});
      const elapsed = (performance.now() - started) / 3;
      assert.ok(elapsed < 500, `${elapsed.toFixed(0)} ms for an opening and closing without work`);
    }));
});

describe("followers of a log that is closed", () => {
  it("end once they have seen everything", () =>
    useLog({ shards: 2, flushIntervalMs: Infinity }, async (log) => {
      const merged = texts(log.read({ follow: true }));
      const single = texts(log.read({ shard: 1, from: "latest", follow: true }));
      const user = texts(log.user("k").read({ follow: true }));
      const waiting = log.read({ follow: true, from: "latest", shard: 0 });
      const step = waiting.next();
      const owner = log.shardFor("k").id;
      for (let i = 0; i < 20; i++) take(log.shard(i % 2), { key: "k", value: `${i}`, timestamp: i });
      assert.equal(await outcomeOf(merged), "pending");
      await log.close();
      const all = (await merged).map(Number).sort((a, b) => a - b);
      assert.deepEqual(all, Array.from({ length: 20 }, (_, i) => i));
      assert.deepEqual(await single, Array.from({ length: 10 }, (_, i) => `${2 * i + 1}`));
      assert.equal((await user).length, 10);
      assert.equal((await user)[0], `${owner}`);
      assert.equal((await step).done, false, "the last records come before the end");
    }));

  it("end in a log that is open for reading", () =>
    useDirectory(async (directory) => {
      await reopen(directory, {}, (log) => log.append({ value: "x" }));
      const log = await openLog(directory, { readOnly: true });
      const followed = texts(log.read({ follow: true }));
      assert.equal(await outcomeOf(followed), "pending");
      await log.close();
      assert.deepEqual(await followed, ["x"]);
    }));
});
