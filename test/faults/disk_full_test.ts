/** A disk without room, without inodes, or suddenly read-only: real ones, a few megabytes large. */
import assert from "node:assert/strict";
import {
  closeSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { BACKPRESSURE, type Log, LogError, openLog, type OpenOptions } from "../../mod.ts";
import { collect, fails, listing, namesIn, reopen } from "../helpers.ts";
import { type Image, useImage, whyNoImages } from "./image.ts";
import { Ledger } from "./ledger.ts";
import { valueAt } from "./payload.ts";
import { Tally } from "./settings.ts";

const skip = whyNoImages();
const MIB = 1024 * 1024;
const OPTIONS: OpenOptions = { topic: "log", segmentBytes: 200_000, batchBytes: 4096, flushIntervalMs: 0 };

/** Appends until the shard gives up; answers why, and how much was acknowledged. */
async function fill(log: Log, life: number, ledger: Ledger): Promise<LogError> {
  const shard = log.shard(0);
  const base = shard.nextOffset;
  ledger.take([`open ${life} ${base} clean`]);
  const acknowledged: Promise<void>[] = [];
  try {
    for (let i = 0; i < 1_000_000; i++) {
      const offset = shard.tryAppend({ value: valueAt(life, 0, i) });
      if (offset === BACKPRESSURE) {
        await shard.writable();
        i--;
        continue;
      }
      const told = shard.acknowledged(offset).then(() => ledger.take([`ack 0 ${offset + 1} os`]));
      acknowledged.push(told);
      if (i % 7 === 0) await told;
    }
    assert.fail("the disk never filled");
  } catch (error) {
    await Promise.allSettled(acknowledged);
    if (error instanceof LogError) return error;
    throw error;
  }
}

/** Takes all of the disk but so much. */
function ballast(image: Image, leaveBytes: number): string {
  const path = join(image.point, "ballast");
  const fd = openSync(path, "w");
  for (const size of [MIB, 64 * 1024, 4096, 1024]) {
    const bytes = new Uint8Array(size);
    try {
      while (writeSync(fd, bytes) === size);
    } catch {
      // Full, as far as pieces of that size go.
    }
  }
  ftruncateSync(fd, Math.max(0, fstatSync(fd).size - leaveBytes));
  // What was freed is free once the file system has noted it.
  fsyncSync(fd);
  closeSync(fd);
  return path;
}

/** Everything acknowledged is there beside a shard that gave up, and after it, with room and without. */
async function checkFull(log: Log, failure: LogError, directory: string, ledger: Ledger, image: Image): Promise<void> {
  assert.equal(
    failure.code === "POISONED" ? (failure.cause as LogError).code : failure.code,
    "DISK_FULL",
    failure.message,
  );
  const shard = log.shard(0);
  assert.equal(shard.state, "poisoned");
  await fails("POISONED", () => shard.tryAppend({ value: "no" }));
  const seen = await collect(log.read({ shard: 0 }));
  assert.equal(seen.length, shard.written);
  await log.close().catch((error: LogError) => assert.match(error.code, /^(POISONED|DISK_FULL|IO)$/));
  await reopen(directory, { readOnly: true }, (other) => ledger.check(other));
  // Recovery may need room itself: then it says so, and nothing is worse than before.
  for (let attempt = 0; attempt < 3; attempt++) {
    await reopen(directory, OPTIONS, (other) => ledger.check(other)).catch((error: LogError) => {
      assert.equal(error.code, "DISK_FULL", error.message);
    });
  }
  rmSync(join(image.point, "ballast"));
}

describe("a full disk", () => {
  it(
    "stops a shard with DISK_FULL, wherever it runs full, and goes on when there is room again [faults 6, 7, 8: Linux, root]",
    { skip },
    () =>
      useImage(async (image) => {
        const tally = new Tally();
        image.make(4 * MIB, "-b", "1024");
        image.mount();
        for (const leave of [0, 9_000, 60_000, 150_000, 202_000, 210_000]) {
          const directory = join(image.point, `log-${leave}`);
          const ledger = new Ledger(1);
          // The shard exists: what runs out is room for its records.
          await reopen(directory, OPTIONS, async (log) => {
            ledger.take(["open 1 0 clean"]);
            await log.append({ value: valueAt(1, 0, 0) }, { durability: "disk" });
            ledger.take(["ack 0 1 disk"]);
          });
          ballast(image, leave);
          const log = await openLog(directory, OPTIONS);
          const failure = await fill(log, 2, ledger);
          await checkFull(log, failure, directory, ledger, image);
          await reopen(directory, OPTIONS, async (again) => {
            await ledger.check(again);
            for (const { verdict } of again.recovery) tally.add(verdict);
            // Openings that failed for want of room left no pieces of a copy behind.
            const copies = readdirSync(join(directory, "log-0")).filter((name) => name.startsWith("quarantine-"));
            assert.ok(copies.length <= 1, copies.join(" "));
            const base = again.shard(0).nextOffset;
            ledger.take([`open 3 ${base} clean`]);
            for (let i = 0; i < 50; i++) await again.append({ value: valueAt(3, 0, i) });
            ledger.take([`ack 0 ${base + 50} os`]);
          });
          ledger.forgetVerified();
          await reopen(directory, OPTIONS, (last) => ledger.check(last));
          rmSync(directory, { recursive: true });
        }
        console.log(`openings after a full disk: ${tally}`);
      }),
  );

  it(
    "refuses to create a log, says why, and creates it when there is room [fault 8: Linux, root]",
    { skip },
    () =>
      useImage(async (image) => {
        image.make(4 * MIB, "-b", "1024");
        image.mount();
        for (const leave of [0, 1024, 3000, 6000, 9000, 14_000]) {
          const path = ballast(image, leave);
          const directory = join(image.point, `log-${leave}`);
          let failure: unknown;
          try {
            await reopen(directory, OPTIONS, (log) => log.append({ value: "x" }, { durability: "disk" }));
          } catch (error) {
            failure = error;
          }
          if (leave === 0) assert.ok(failure !== undefined, "there was no room");
          if (failure !== undefined) assert.equal((failure as LogError).code, "DISK_FULL", String(failure));
          rmSync(path);
          await reopen(directory, OPTIONS, async (log) => {
            await log.append({ value: "y" }, { durability: "disk" });
            const records = await collect(log.read());
            assert.equal(records.at(-1)!.text(), "y");
          });
          rmSync(directory, { recursive: true });
        }
      }),
  );
});

describe("a disk without inodes", () => {
  it(
    "stops a roll without a half-made segment, and costs an index at most [faults 7, 9: Linux, root]",
    { skip },
    () =>
      useImage(async (image) => {
        image.make(8 * MIB, "-b", "1024", "-N", "64");
        image.mount();
        for (const free of [0, 1, 2]) {
          const directory = join(image.point, `log-${free}`);
          const shard = join(directory, "log-0");
          const ledger = new Ledger(1);
          const log = await openLog(directory, { ...OPTIONS, segmentBytes: 3000 });
          ledger.take(["open 1 0 clean"]);
          await log.append({ value: valueAt(1, 0, 0) });
          const inodes = useInodes(image, free);
          const before = namesIn(shard, ".log");
          let failure: LogError | undefined;
          for (let i = 1; i < 100 && failure === undefined; i++) {
            try {
              const { offset } = await log.append({ value: valueAt(1, 0, i) });
              ledger.take([`ack 0 ${offset + 1} os`]);
            } catch (error) {
              failure = error as LogError;
            }
          }
          assert.equal(failure?.code, "DISK_FULL");
          const after = namesIn(shard, ".log");
          assert.equal(after.length, before.length + Math.min(free, 1), after.join(" "));
          for (const name of after) assert.ok(statSync(join(shard, name)).size > 0, `${name} is empty`);
          await log.close().catch(() => {});
          await reopen(directory, { readOnly: true }, (other) => ledger.check(other));
          for (const path of inodes) rmSync(path);
          await reopen(directory, OPTIONS, (other) => ledger.check(other));
          rmSync(directory, { recursive: true });
        }
      }),
  );
});

/** Takes all inodes but so many. */
function useInodes(image: Image, leave: number): string[] {
  const paths: string[] = [];
  for (;;) {
    const path = join(image.point, `inode-${paths.length}`);
    try {
      writeFileSync(path, "");
    } catch {
      break;
    }
    paths.push(path);
  }
  for (const path of paths.splice(paths.length - leave)) rmSync(path);
  return paths;
}

describe("a disk that becomes read-only", () => {
  it(
    "stops the writer in mid-run; reads go on, and a reader opens it without writing [fault 47: Linux, root]",
    { skip },
    () =>
      useImage(async (image) => {
        image.make(8 * MIB);
        image.mount("errors=remount-ro");
        const directory = join(image.point, "log");
        const ledger = new Ledger(1);
        const log = await openLog(directory, OPTIONS);
        ledger.take(["open 1 0 clean"]);
        for (let i = 0; i < 30; i++) await log.append({ value: valueAt(1, 0, i) }, { durability: "disk" });
        ledger.take(["ack 0 30 disk"]);
        // What the kernel does when it meets damage of its own.
        writeFileSync(`/sys/fs/ext4/${image.device()}/trigger_fs_error`, "test");
        await fails("IO", () => log.append({ value: valueAt(1, 0, 30) }, { durability: "disk" }));
        assert.equal(log.shard(0).state, "poisoned");
        assert.ok((await collect(log.read())).length >= 30);
        await log.close().catch(() => {});

        const before = listing(image.point);
        await fails("IO", () => openLog(directory, OPTIONS));
        await reopen(directory, { readOnly: true }, async (other) => {
          await ledger.check(other);
          await fails("READ_ONLY", () => other.append({ value: "no" }));
        });
        assert.deepEqual(listing(image.point), before);
        image.unmount();
        image.mount();
        await reopen(directory, OPTIONS, (other) => ledger.check(other));
      }),
  );

  it(
    "is read without a trace when it was mounted so, clean or not [fault 47: Linux, root]",
    { skip },
    () =>
      useImage(async (image) => {
        image.make(8 * MIB);
        image.mount();
        const directory = join(image.point, "log");
        const ledger = new Ledger(1);
        const log = await openLog(directory, OPTIONS);
        ledger.take(["open 1 0 clean"]);
        for (let i = 0; i < 30; i++) await log.append({ value: valueAt(1, 0, i) }, { durability: "disk" });
        ledger.take(["ack 0 30 disk"]);
        image.shutDown("cut");
        await log.close().catch(() => {});
        image.unmount();
        // The file system brings itself in order first. The log is not clean: nobody closed it.
        image.mount();
        image.unmount();
        image.mount("ro");
        const before = listing(image.point);
        await reopen(directory, { readOnly: true }, (other) => ledger.check(other));
        await fails("IO", () => openLog(directory, OPTIONS));
        assert.deepEqual(listing(image.point), before);
        assert.ok(readdirSync(directory).includes("bimip.json"));
      }),
  );
});
