/** A backup of a log on a real disk: whole, independent of the log, and refused where it cannot be made. */
import assert from "node:assert/strict";
import { appendFileSync, existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { runtimeCodecs } from "../../adapters/codecs.ts";
import { runtimeVfs } from "../../adapters/runtime.ts";
import { systemClock } from "../../adapters/system.ts";
import { backupLog, type Log, openLog } from "../../mod.ts";
import { readManifest } from "../../src/log/manifest.ts";
import { takeInventory } from "../../src/recovery/inventory.ts";
import { verifyLog } from "../../src/verify/verify_log.ts";
import { collect, fails, listing, namesIn, plain, reopen, take, useDirectory, useLog } from "../helpers.ts";
import { ControlledVfs, diskFailure } from "../shard/controlled_vfs.ts";

const SEGMENTS = { segmentBytes: 2000, shards: 2, topic: "log" } as const;

/** Appends records and rolls a few times. */
async function fill(log: Log, count = 20): Promise<void> {
  for (let i = 0; i < count; i++) {
    take(log.shard(i % log.shards.length), { key: `k${i}`, value: `${i}`.padEnd(400), headers: { n: `${i}` } });
    await log.flush();
  }
}

async function records(log: Log): Promise<unknown[]> {
  return (await collect(log.read())).map(plain);
}

/** What verifying finds, damages and notes. */
async function findings(directory: string): Promise<unknown[]> {
  const found: unknown[] = [];
  const tools = { vfs: runtimeVfs(), clock: systemClock, codecs: runtimeCodecs };
  await verifyLog(tools, directory, {
    damage: (one) => found.push(one),
    note: (one) => found.push(one),
    progress() {},
  });
  return found;
}

async function logIdOf(directory: string): Promise<Uint8Array> {
  return (await readManifest(runtimeVfs(), directory)).manifest!.id;
}

/** Opens a backup, compares it, goes on with it. */
async function expectWhole(copy: string, expected: readonly unknown[]): Promise<void> {
  assert.ok(!existsSync(`${copy}.tmp`));
  assert.deepEqual(await findings(copy), []);
  for (const name of namesIn(copy).filter((name) => name.startsWith("log-"))) {
    const { logId, shard } = { logId: await logIdOf(copy), shard: Number(name.slice(4)) };
    const { state, segments } = await takeInventory(runtimeVfs(), join(copy, name), logId, shard);
    assert.ok(state === undefined ? segments.length === 0 : state.clean !== undefined, "it is as after a clean close");
  }
  await reopen(copy, {}, async (log) => {
    for (const { verdict, cutBytes } of log.recovery) {
      assert.deepEqual({ verdict, cutBytes }, { verdict: "clean", cutBytes: 0 });
    }
    assert.deepEqual(await records(log), expected);
    await log.append({ key: "more", value: "more" });
    assert.equal((await collect(log.read())).length, expected.length + 1);
  });
  assert.deepEqual(await findings(copy), []);
}

describe("a backup", () => {
  for (
    const [who, make] of [
      ["the writing program", (log: Log, out: string) => log.backup(out)],
      ["any program, beside the writer", (log: Log, out: string) => backupLog(log.directory, out)],
    ] as const
  ) {
    it(`made by ${who} has every record that was acknowledged, and is a log of its own`, () =>
      useDirectory((parent) =>
        useLog(SEGMENTS, async (log, directory) => {
          await fill(log);
          const expected = await records(log);
          const before = listing(directory);
          const { shards, linkedBytes, copiedBytes } = await make(log, join(parent, "copy"));
          assert.deepEqual(listing(directory), before, "nothing of the log is touched");
          assert.deepEqual(
            shards.map(({ earliest, nextOffset }) => [earliest, nextOffset]),
            log.shards.map(({ earliest, written }) => [earliest, written]),
          );
          assert.ok(linkedBytes > 0 && copiedBytes > 0);
          await fill(log, 5);
          await expectWhole(join(parent, "copy"), expected);
          assert.equal((await collect(log.read())).length, 25, "the log does not see what the copy got");
        })
      ));
  }

  it("of a closed log, of an empty one, and of a backup", () =>
    useDirectory(async (parent) => {
      for (const count of [0, 1, 20]) {
        const [from, to, again] = ["log", "copy", "again"].map((name) => join(parent, `${count}`, name));
        await reopen(from, SEGMENTS, (log) => fill(log, count));
        const expected = await reopen(from, { readOnly: true }, records);
        await backupLog(from, to);
        await backupLog(to, again);
        await expectWhole(again, expected);
        await expectWhole(to, expected);
        assert.deepEqual(await reopen(from, { readOnly: true }, records), expected);
      }
    }));

  it("ends where published data ends, whatever stands behind it", () =>
    useDirectory((parent) =>
      useLog(SEGMENTS, async (log, directory) => {
        await fill(log);
        const expected = await records(log);
        // As batches that are on their way, or a torn tail.
        for (const shard of ["log-0", "log-1"]) {
          const last = namesIn(join(directory, shard), ".log").at(-1)!;
          appendFileSync(join(directory, shard, last), "not published");
        }
        await log.backup(join(parent, "copy"));
        await expectWhole(join(parent, "copy"), expected);
      })
    ));

  it("links finished segments that are synced, and copies the others", () =>
    useDirectory((parent) =>
      useLog({ ...SEGMENTS, shards: 1 }, async (log, directory) => {
        await fill(log);
        await log.backup(join(parent, "copy"));
        const names = namesIn(join(directory, "log-0"), ".log");
        const links = names.map((name) => statSync(join(directory, "log-0", name)).nlink);
        assert.ok(links.length >= 4);
        assert.deepEqual(links, links.map((_, i) => i < links.length - 2 ? 2 : 1));
        assert.ok(
          namesIn(join(directory, "log-0"), ".idx").every((name) =>
            statSync(join(directory, "log-0", name)).nlink === 1
          ),
        );
      })
    ));

  it("copies where the file system has no links", () =>
    useDirectory(async (parent) => {
      const vfs = new ControlledVfs();
      assert.equal("link" in vfs, false);
      await useLog({ ...SEGMENTS, vfs }, async (log) => {
        await fill(log);
        const { linkedBytes } = await log.backup(join(parent, "copy"));
        assert.equal(linkedBytes, 0);
        await expectWhole(join(parent, "copy"), await records(log));
      });
    }));

  it("takes other files of the log along, and none that is of this run or of a crash", () =>
    useDirectory((parent) =>
      useLog(SEGMENTS, async (log, directory) => {
        await fill(log);
        const extra = ["mailer.cursor", "log-0/trims", "log-1/00000000000000000004.snapshot"];
        const left = ["guarantee.tmp", "mailer.cursor.lock", "log-0/quarantine-0-12-0", ".hidden"];
        for (const name of [...extra, ...left]) writeFileSync(join(directory, name), name);
        const copy = join(parent, "copy");
        await log.backup(copy);
        assert.ok(extra.every((name) => statSync(join(copy, name)).size === name.length));
        assert.deepEqual(left.filter((name) => existsSync(join(copy, name))), []);
        assert.deepEqual(namesIn(copy), ["bimip.copy.json", "bimip.json", "lock", "log-0", "log-1", "mailer.cursor"]);
      })
    ));

  it("tells how far it is", () =>
    useDirectory((parent) =>
      useLog(SEGMENTS, async (log) => {
        await fill(log);
        const seen: (readonly [number, number])[] = [];
        const { copiedBytes } = await log.backup(join(parent, "copy"), { onProgress: (...both) => seen.push(both) });
        assert.deepEqual(seen.at(-1), [copiedBytes, copiedBytes]);
        assert.ok(seen.every(([done, total]) => done <= total));
      })
    ));

  it("begins at the new earliest segment where retention drops some meanwhile", () =>
    useDirectory(async (parent) => {
      const log = await openLog(join(parent, "log"), { ...SEGMENTS, shards: 1 });
      await fill(log);
      await log.close();
      const shard = join(parent, "log", "log-0");
      const dropped = namesIn(shard, ".log").slice(0, 2);
      // Once the newest segments are copied, the oldest are dropped.
      class Dropping extends ControlledVfs {
        link(from: string, to: string): void {
          if (from.endsWith(".log")) { for (const name of dropped) rmSync(join(shard, name), { force: true }); }
          return runtimeVfs().link!(from, to) as void;
        }
      }
      const reader = await openLog(join(parent, "log"), { readOnly: true, vfs: new Dropping() });
      const { shards } = await reader.backup(join(parent, "copy"));
      await reader.close();
      const earliest = Number(namesIn(shard, ".log")[0].slice(0, 20));
      assert.deepEqual([shards[0].earliest, shards[0].nextOffset], [earliest, 20]);
      await reopen(join(parent, "copy"), {}, async (copy) => {
        assert.equal(copy.recovery[0].verdict, "clean");
        assert.deepEqual((await collect(copy.read())).map(({ offset }) => offset).at(0), earliest);
      });
    }));
});

describe("a backup is refused", () => {
  it("where another one is being made at the same place; that one comes to its end", () =>
    useDirectory((parent) =>
      useLog(SEGMENTS, async (log) => {
        await fill(log);
        const out = join(parent, "copy");
        const both = await Promise.allSettled([log.backup(out), log.backup(out)]);
        const failed = both.filter((result) => result.status === "rejected").map(({ reason }) => reason.code);
        assert.ok(failed.length === 1 && ["LOCKED", "CONFLICT"].includes(failed[0]), failed.join());
        await expectWhole(out, await records(log));
      })
    ));

  it("where a segment vanishes from the middle meanwhile: that is no retention, and would be a hole", () =>
    useDirectory(async (parent) => {
      const directory = join(parent, "log");
      await reopen(directory, { ...SEGMENTS, shards: 1 }, (log) => fill(log));
      const shard = join(directory, "log-0");
      const victim = namesIn(shard, ".log").at(-4)!;
      class Vanishing extends ControlledVfs {
        link(from: string, to: string): void {
          if (from.endsWith(".log")) rmSync(join(shard, victim), { force: true });
          return runtimeVfs().link!(from, to) as void;
        }
      }
      const reader = await openLog(directory, { readOnly: true, vfs: new Vanishing() });
      const error = await fails("CORRUPT_FILE", () => reader.backup(join(parent, "copy")));
      assert.ok(error.message.includes(victim));
      await reader.close();
      assert.equal(existsSync(join(parent, "copy")), false);
    }));

  it("where something is in the way, and changes nothing there", () =>
    useDirectory((parent) =>
      useLog(SEGMENTS, async (log, directory) => {
        await fill(log, 2);
        mkdirSync(join(parent, "full"));
        writeFileSync(join(parent, "full", "mine"), "");
        writeFileSync(join(parent, "file"), "");
        mkdirSync(join(parent, "other.tmp"));
        writeFileSync(join(parent, "other.tmp", "mine"), "");
        const before = listing(parent);
        for (const out of ["full", "file", "other"]) {
          assert.match(
            (await fails("CONFLICT", () => log.backup(join(parent, out)))).message,
            /(mine|not a directory|remove it)/,
          );
        }
        await fails("CONFLICT", () => log.backup(directory));
        assert.deepEqual(listing(parent), before);
        await assert.rejects(log.backup(""), TypeError);
        mkdirSync(join(parent, "empty"));
        await log.backup(`${join(parent, "empty")}/`);
        await expectWhole(join(parent, "empty"), await records(log));
      })
    ));

  it("where there is too little space, before anything is copied", () =>
    useDirectory((parent) =>
      useLog(SEGMENTS, async (log, directory) => {
        await fill(log);
        class Full extends ControlledVfs {
          override freeBytes(): number {
            return 5000;
          }
        }
        const reader = await openLog(directory, { readOnly: true, vfs: new Full() });
        const error = await fails("DISK_FULL", () => reader.backup(join(parent, "copy")));
        assert.match(error.message, /\d+ bytes are to be copied and 5000 are free/);
        await reader.close();
        assert.equal(existsSync(join(parent, "copy")), false);
        assert.deepEqual(readdirSync(join(parent, "copy.tmp", "log-0")), []);
      })
    ));

  it("where the disk fills up meanwhile; there is no backup then, and the next one begins anew", () =>
    useDirectory((parent) =>
      useLog(SEGMENTS, async (log, directory) => {
        await fill(log);
        const vfs = new ControlledVfs((operation) => {
          if (operation.kind === "write" && operation.path.endsWith("log-1/anchor")) {
            throw diskFailure(operation, "NO_SPACE");
          }
        });
        const reader = await openLog(directory, { readOnly: true, vfs });
        await fails("DISK_FULL", () => reader.backup(join(parent, "copy")));
        await reader.close();
        assert.equal(existsSync(join(parent, "copy")), false);
        await fails("NOT_A_LOG", () => openLog(join(parent, "copy.tmp"), { readOnly: true }));
        await log.backup(join(parent, "copy"));
        await expectWhole(join(parent, "copy"), await records(log));
      })
    ));

  it("where it is given up, with the reason of the signal", () =>
    useDirectory((parent) =>
      useLog(SEGMENTS, async (log) => {
        await fill(log);
        const controller = new AbortController();
        const reason = new Error("enough");
        const task = log.backup(join(parent, "copy"), {
          signal: controller.signal,
          onProgress: () => controller.abort(reason),
        });
        await assert.rejects(task, reason);
        assert.equal(existsSync(join(parent, "copy")), false);
      })
    ));

  it("where the log is damaged, or lacks records", () =>
    useDirectory(async (parent) => {
      const directory = join(parent, "log");
      await reopen(directory, { topic: "log" }, (log) => fill(log, 3));
      const file = join(directory, "log-0", namesIn(join(directory, "log-0"), ".log")[0]);
      const { truncateSync } = await import("node:fs");
      truncateSync(file, statSync(file).size - 10);
      const error = await fails("DATA_LOSS", () => backupLog(directory, join(parent, "copy")));
      assert.match(error.message, /shard 0 .*bimiplog verify/);
      await fails("NOT_A_LOG", () => backupLog(join(parent, "none"), join(parent, "copy")));
    }));

  it("once the log is closed", () =>
    useDirectory(async (parent) => {
      const log = await openLog(join(parent, "log"));
      await log.close();
      await fails("CLOSED", () => log.backup(join(parent, "copy")));
    }));
});
