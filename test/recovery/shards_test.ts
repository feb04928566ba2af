import assert from "node:assert/strict";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { openLog, type OpenOptions } from "../../mod.ts";
import { collect, fails, listing, reopen, take, texts, useDirectory } from "../helpers.ts";
import { flip } from "./damage.ts";

const OPTIONS: OpenOptions = { topic: "log", shards: 3 };

/** A closed log with five records in each of its three shards. */
async function useShards(body: (directory: string) => Promise<void>): Promise<void> {
  await useDirectory(async (directory) => {
    await reopen(directory, OPTIONS, (log) => {
      for (const shard of log.shards) {
        for (let i = 0; i < 5; i++) take(shard, { value: `${shard.id}.${i}`, timestamp: i });
      }
    });
    await body(directory);
  });
}

describe("the damage of one shard", () => {
  it("does not keep the others from being read and written", () =>
    useShards(async (directory) => {
      for (const slot of [0, 4096]) flip(join(directory, "log-1", "state"), slot + 44);
      const before = listing(join(directory, "log-1"));
      await reopen(directory, {}, async (log) => {
        assert.deepEqual(log.recovery.map(({ shard, verdict }) => [shard, verdict]), [
          [0, "clean"],
          [1, "corrupt"],
          [2, "clean"],
        ]);
        assert.deepEqual(log.shards.map(({ state }) => state), ["open", "readOnly", "open"]);
        assert.equal((await collect(log.read())).length, 15);
        const shards = await Promise.all(
          Array.from({ length: 4 }, async () => (await log.append({ value: "x" })).shard),
        );
        assert.ok(!shards.includes(1), "records without a key go where they can");
        const key = Array.from({ length: 100 }, (_, i) => `user-${i}`).find((key) => log.shardFor(key).id === 1)!;
        await fails("READ_ONLY", () => log.append({ key, value: "x" }));
        await log.flush("disk");
        assert.equal((await collect(log.read())).length, 19);
      });
      assert.deepEqual(listing(join(directory, "log-1")), before);
    }));

  it("that lost data refuses the opening, and the others are as they were", () =>
    useShards(async (directory) => {
      rmSync(join(directory, "log-1", "00000000000000000000.log"));
      const before = listing(directory);
      const error = await fails("DATA_LOSS", () => openLog(directory));
      assert.equal(error.shard, 1);
      assert.deepEqual(error.range, [0, 4]);
      const after = listing(directory);
      for (const path of Object.keys(before).filter((path) => path.startsWith("log-"))) {
        assert.equal(after[path], before[path], path);
      }
      await reopen(directory, { acceptDataLoss: true }, (log) => {
        assert.deepEqual(log.recovery.map(({ verdict }) => verdict), ["clean", "loss", "clean"]);
        assert.equal(take(log.shard(1), { value: "new" }), 0);
      });
      await reopen(directory, {}, async (log) => {
        assert.equal((await collect(log.read())).length, 11);
        assert.deepEqual(await texts(log.read({ shard: 1 })), ["new"]);
      });
    }));

  it("whose whole directory is gone does not keep a reader from the others", () =>
    useShards(async (directory) => {
      rmSync(join(directory, "log-2"), { recursive: true });
      await reopen(directory, { readOnly: true }, async (log) => {
        assert.equal((await collect(log.read({ shard: 0 }))).length, 5);
      });
    }));

  it("whose whole directory is gone is no new shard: a writer opens it only with consent", () =>
    useShards(async (directory) => {
      rmSync(join(directory, "log-2"), { recursive: true });
      const { message } = await fails("DATA_LOSS", () => reopen(directory, {}, () => {}));
      assert.match(message, /log-2 .*acceptDataLoss/);
      assert.ok(!existsSync(join(directory, "log-2")), "nothing was made in its place");
      await reopen(directory, { acceptDataLoss: true }, async (log) => {
        assert.equal(take(log.shard(2), { value: "new" }), 0);
        await log.flush();
        assert.equal((await collect(log.read({ shard: 0 }))).length, 5);
      });
      await reopen(directory, {}, async (log) => assert.deepEqual(await texts(log.read({ shard: 2 })), ["new"]));
    }));
});

describe("files of another shard or log", () => {
  it("are not read as this one's [fault 35]", () =>
    useShards(async (directory) => {
      const moved = join(directory, "moved");
      cpSync(join(directory, "log-0"), moved, { recursive: true });
      rmSync(join(directory, "log-0"), { recursive: true });
      cpSync(join(directory, "log-1"), join(directory, "log-0"), { recursive: true });
      rmSync(join(directory, "log-1"), { recursive: true });
      cpSync(moved, join(directory, "log-1"), { recursive: true });
      rmSync(moved, { recursive: true });
      const before = listing(directory);
      await reopen(directory, {}, async (log) => {
        assert.deepEqual(log.recovery.map(({ verdict }) => verdict), ["corrupt", "corrupt", "clean"]);
        for (const shard of [0, 1]) {
          const foreign = (await collect(log.read({ shard, onCorrupt: "skip" }))).map((record) => record.text());
          assert.deepEqual(foreign, [], `shard ${shard} shows records of the other one`);
          await fails("READ_ONLY", () => log.shard(shard).tryAppend({ value: "x" }));
        }
        assert.deepEqual(await texts(log.read({ shard: 2 })), ["2.0", "2.1", "2.2", "2.3", "2.4"]);
      });
      const after = listing(directory);
      for (const path of Object.keys(before).filter((path) => /^log-[01]/.test(path))) {
        assert.equal(after[path], before[path]);
      }
    }));

  it("of another log with the same names are not read either", () =>
    useShards((directory) =>
      useShards(async (other) => {
        const file = join("log-0", "00000000000000000000.log");
        for (const name of ["anchor", "state"]) {
          mkdirSync(join(directory, "log-0"), { recursive: true });
          writeFileSync(join(directory, "log-0", name), readFileSync(join(other, "log-0", name)));
        }
        assert.ok(readFileSync(join(directory, file)).length > 0);
        await reopen(directory, {}, async (log) => {
          assert.equal(log.recovery[0].verdict, "corrupt");
          assert.equal(log.shard(0).state, "readOnly");
          assert.equal((await collect(log.read({ shard: 1 }))).length, 5);
        });
      })
    ));
});
