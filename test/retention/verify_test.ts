/** Verifying, repairing and reading beside retention: dropped segments, marks of users that are damaged or missing. */
import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { runtimeCodecs } from "../../adapters/codecs.ts";
import { memoryVfs } from "../../adapters/memory.ts";
import { runtimeVfs } from "../../adapters/runtime.ts";
import { systemClock, systemRandom } from "../../adapters/system.ts";
import { backupLog, type Log, type OpenFileOptions, openLog, type OpenMode } from "../../mod.ts";
import { repairLog } from "../../src/log/repair.ts";
import type { Damage } from "../../src/verify/finding.ts";
import { verifyLog } from "../../src/verify/verify_log.ts";
import { DIRECTORY, engineOn, openOn } from "../exhaustive/engine.ts";
import { collect, fails, reopen, take, useDirectory } from "../helpers.ts";
import { ControlledVfs } from "../shard/controlled_vfs.ts";

const OPTIONS = { topic: "log", segmentBytes: 1024, flushIntervalMs: Infinity };
const REPAIR = { vfs: runtimeVfs(), codecs: runtimeCodecs, random: systemRandom };

async function fill(log: Log, count: number): Promise<void> {
  const shard = log.shard(0);
  for (let left = count; left > 0; left--) {
    take(shard, { key: shard.nextOffset % 2 === 0 ? "alice" : "bob", value: "x".repeat(80) });
    await shard.flush();
  }
}

const of = async (log: Log, key: string): Promise<number[]> =>
  (await collect(log.user(key).read())).map((record) => record.offset);

async function damages(directory: string): Promise<Damage[]> {
  const found: Damage[] = [];
  const tools = { vfs: runtimeVfs(), clock: systemClock, codecs: runtimeCodecs };
  await verifyLog(tools, directory, { damage: (one) => found.push(one), note() {}, progress() {} });
  return found;
}

describe("verify, beside a writer that drops segments", () => {
  it("neither fails nor calls anything damaged, whenever they go [fault 55]", async () => {
    // A trim at each step of verifying in turn.
    let steps = Infinity;
    for (let at = 1; at <= steps; at++) {
      const vfs = memoryVfs();
      const log = await openOn(vfs, { topic: "t" });
      for (let n = 0; n < 30; n++) {
        log.shard(0).tryAppend({ value: "x".repeat(200) });
        await log.flush("disk");
      }
      let count = 0;
      let trimmed: Promise<unknown> | undefined;
      const stop = vfs.onOperation(() => {
        if (++count === at && trimmed === undefined) trimmed = log.shard(0).trimBefore(24);
      });
      const wrapped = new Proxy(vfs, {
        get: (target, name) => {
          const value = Reflect.get(target, name, target);
          if (typeof value !== "function") return value;
          // Whoever is asked lets the trim finish first.
          return (...args: unknown[]) =>
            name === "open" && trimmed !== undefined
              ? trimmed.then(() => value.apply(target, args))
              : value.apply(target, args);
        },
      });
      const found: Damage[] = [];
      await verifyLog({ ...engineOn(vfs), vfs: wrapped }, DIRECTORY, {
        damage: (one) => found.push(one),
        note() {},
        progress() {},
      });
      assert.deepEqual(found, [], `trimmed at step ${at}`);
      stop();
      if (trimmed === undefined) steps = at;
      await trimmed;
      await log.close();
    }
    assert.ok(steps > 40, String(steps));
  });
});

describe("the marks of trimmed users", () => {
  const trimmed = (directory: string): Promise<void> =>
    reopen(directory, OPTIONS, async (log) => {
      await fill(log, 10);
      await log.trimUser("alice", 6);
    });

  it("are missed where the file is gone, by the log, by readers beside it and by verify", () =>
    useDirectory(async (directory) => {
      await trimmed(directory);
      const path = join(directory, "log-0", "trims");
      const bytes = readFileSync(path);
      rmSync(path);
      for (const readOnly of [false, true]) {
        await reopen(directory, readOnly ? { readOnly } : OPTIONS, async (log) => {
          const error = await fails("CORRUPT_FILE", () => of(log, "alice"));
          assert.match(error.message, /trims is damaged: it is missing, although users were trimmed; restore it/);
          if (!readOnly) await fails("CORRUPT_FILE", () => log.trimUser("bob", 4));
          assert.equal((await collect(log.read({ shard: 0 }))).length, 10);
        });
      }
      const [one, ...others] = await damages(directory);
      assert.deepEqual([one.file, others], [path, []]);
      assert.match(one.what, /missing/);
      // Writing goes on, and does not forget it.
      await reopen(directory, OPTIONS, (log) => fill(log, 2));
      // A backup has no file that it could have.
      await backupLog(directory, `${directory}/../${directory.split("/").pop()}-copy`).then(async () => {
        const copy = `${directory}-copy`;
        await reopen(copy, OPTIONS, (log) => fails("CORRUPT_FILE", () => of(log, "alice")));
        rmSync(copy, { recursive: true });
      });
      writeFileSync(path, bytes);
      assert.deepEqual(await damages(directory), []);
      await reopen(directory, OPTIONS, async (log) => assert.deepEqual(await of(log, "alice"), [6, 8, 10]));
    }));

  for (const what of ["damaged", "missing"] as const) {
    it(`are given up by repair where the file is ${what}, and producers are not forgotten for it`, () =>
      useDirectory(async (directory) => {
        await reopen(directory, { ...OPTIONS, flushIntervalMs: 0 }, async (log) => {
          const lines = await log.idempotentProducer("lines");
          for (let n = 0; n < 20; n++) await lines.append([{ key: "alice", value: `${n}`.padEnd(200) }]);
          await log.trimUser("alice", 12);
          await log.shard(0).trimBefore(8);
        });
        const path = join(directory, "log-0", "trims");
        if (what === "missing") rmSync(path);
        else {
          const bytes = readFileSync(path);
          bytes[20] ^= 4;
          writeFileSync(path, bytes);
        }
        assert.deepEqual((await damages(directory)).map(({ file }) => file), [path]);
        const { findings } = await repairLog(REPAIR, directory, { apply: true });
        assert.deepEqual(findings.map(({ file }) => file), [path]);
        assert.equal(findings[0].keptAside !== undefined, what === "damaged");
        assert.deepEqual(await damages(directory), []);
        await reopen(directory, OPTIONS, async (log) => {
          assert.equal(log.recovery[0].verdict, "clean");
          assert.equal((await of(log, "alice"))[0], 8);
          assert.equal((await log.idempotentProducer("lines")).nextSequence, 20);
          await log.trimUser("alice", 15);
          assert.equal((await of(log, "alice"))[0], 15);
        });
        assert.deepEqual(await damages(directory), []);
      }));
  }

  it("are read again by a reader beside the writer only where they have changed", () =>
    useDirectory(async (directory) => {
      let bytesRead = 0;
      class Counting extends ControlledVfs {
        override open(path: string, mode: OpenMode, options?: OpenFileOptions) {
          const opened = super.open(path, mode, options);
          if (!path.endsWith("/trims")) return opened;
          const count = (file: Awaited<typeof opened>) => {
            const read = file.read.bind(file);
            file.read = (into, position) => (bytesRead += into.length, read(into, position));
            return file;
          };
          return opened instanceof Promise ? opened.then(count) : count(opened);
        }
      }
      await reopen(directory, OPTIONS, async (log) => {
        await fill(log, 10);
        const beside = await openLog(directory, { readOnly: true, vfs: new Counting() });
        assert.equal((await of(beside, "alice")).length, 5);
        assert.equal(bytesRead, 0);
        await log.trimUser("alice".repeat(1000), 1);
        await log.trimUser("alice", 4);
        assert.deepEqual(await of(beside, "alice"), [4, 6, 8]);
        const once = bytesRead;
        assert.ok(once > 5000);
        for (let n = 0; n < 10; n++) assert.deepEqual(await of(beside, "alice"), [4, 6, 8]);
        assert.ok(bytesRead - once <= 10 * 40, String(bytesRead - once));
        await log.trimUser("alice", 8);
        assert.deepEqual(await of(beside, "alice"), [8]);
        // Gone under its eyes.
        rmSync(join(directory, "log-0", "trims"));
        await fails("CORRUPT_FILE", () => of(beside, "alice"));
        await beside.close();
      });
    }));
});
