import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BACKPRESSURE, type LogError, openLog, type OpenOptions } from "../../mod.ts";
import { collect, fails, filled, reopen, take, texts, until, useDirectory } from "../helpers.ts";
import { type Control, ControlledVfs, diskFailure, failFrom, type Operation } from "./controlled_vfs.ts";

const writes = (ending: string) => ({ kind, path }: Operation): boolean => kind === "write" && path.endsWith(ending);
const syncs = (ending: string) => ({ kind, path }: Operation): boolean => kind === "sync" && path.endsWith(ending);

/** A log that wrote three records to the disk, and a switch that lets the disk break. */
async function useBreakable(
  options: OpenOptions,
  body: (parts: {
    log: Awaited<ReturnType<typeof openLog>>;
    vfs: ControlledVfs;
    errors: LogError[];
    directory: string;
    breakDisk: (control: Control) => void;
  }) => Promise<void>,
): Promise<void> {
  await useDirectory(async (directory) => {
    const vfs = new ControlledVfs();
    const errors: LogError[] = [];
    const onError = (error: LogError): void => void errors.push(error);
    const log = await openLog(directory, { topic: "log", flushIntervalMs: Infinity, ...options, vfs, onError });
    for (const text of ["0", "1", "2"]) take(log.shard(0), { value: text });
    await log.flush("disk");
    const breakDisk = (control: Control): void => {
      vfs.operations.length = 0;
      vfs.control = control;
    };
    try {
      await body({ log, vfs, errors, directory, breakDisk });
    } finally {
      await log.close();
    }
    await reopen(directory, {}, async (again) => {
      const all = await texts(again.read());
      assert.deepEqual(all.slice(0, 3), ["0", "1", "2"], "acknowledged records are there after a reopening");
      const next = take(again.shard(0), { value: "after" });
      assert.equal(next, all.length);
      await again.flush("disk");
      assert.deepEqual(await texts(again.read()), [...all, "after"]);
    });
  });
}

describe("a failed write", () => {
  it("rejects everybody who waits, tells onError once, and refuses what comes later [fault 1]", () =>
    useBreakable({ maxBufferPerShard: 4000 }, async ({ log, errors, breakDisk }) => {
      const shard = log.shard(0);
      breakDisk(failFrom(1, writes(".log")));
      while (shard.tryAppend({ value: filled(600, 1) }) !== BACKPRESSURE);
      const waiting = [
        log.append({ value: filled(600, 2) }),
        log.append({ value: "behind it" }),
        shard.acknowledged(3),
        shard.acknowledged(shard.nextOffset - 1, "disk"),
        shard.writable(),
        shard.flush(),
        shard.flush("disk"),
        log.flush(),
      ];
      const results = await Promise.allSettled(waiting);
      assert.deepEqual(results.map(({ status }) => status), waiting.map(() => "rejected"));
      const codes = results.map((result) => (result as PromiseRejectedResult).reason.code);
      for (const [i, code] of codes.entries()) assert.ok(code === "IO" || code === "POISONED", `${i}: ${code}`);
      assert.equal(errors.length, 1);
      assert.equal(errors[0].code, "IO");
      assert.equal(errors[0].shard, 0);
      assert.equal(shard.state, "poisoned");
      for (
        const call of [
          () => shard.tryAppend({ value: "x" }),
          () => shard.tryAppendBatch(new Uint8Array(61)),
          () => shard.writable(),
          () => shard.flush(),
          () => shard.acknowledged(3),
          () => log.append({ value: "x" }),
          () => log.flush(),
        ]
      ) {
        const error = await fails("POISONED", call);
        assert.equal(error.range?.[0], 3, "the first lost offset");
        assert.match(error.message, /\b3\b/);
        assert.ok(error.cause instanceof Error);
      }
      assert.equal(errors.length, 1);
      assert.equal(shard.written, 3);
    }));

  it("leaves reading as it was", () =>
    useBreakable({}, async ({ log, breakDisk }) => {
      breakDisk(failFrom(1, writes(".log")));
      take(log.shard(0), { value: "lost" });
      await fails("IO", () => log.flush());
      assert.deepEqual(await texts(log.read()), ["0", "1", "2"]);
      assert.deepEqual(await texts(log.read({ last: 1 })), ["2"]);
      assert.equal(await log.user("nobody").count(), 0);
      await log.shard(0).acknowledged(2, "disk");
    }));

  it("poisons its own shard only", () =>
    useBreakable({ shards: 2 }, async ({ log, errors, breakDisk }) => {
      breakDisk(failFrom(1, ({ kind, path }) => kind === "write" && path.includes("log-1/")));
      take(log.shard(0), { value: "good" });
      take(log.shard(1), { value: "lost" });
      await fails("IO", () => log.flush());
      assert.deepEqual(log.shards.map(({ state }) => state), ["open", "poisoned"]);
      take(log.shard(0), { value: "better" });
      await log.shard(0).flush("disk");
      const keyless = await Promise.all(Array.from({ length: 4 }, () => {
        const appended = log.append({ value: "any shard" });
        void log.shard(0).flush();
        return appended;
      }));
      assert.deepEqual(keyless.map(({ shard }) => shard), [0, 0, 0, 0]);
      assert.equal(errors.length, 1);
    }));

  it("is DISK_FULL where the disk is full [fault 6]", () =>
    useBreakable({}, async ({ log, errors, breakDisk }) => {
      breakDisk(failFrom(1, writes(".log"), "NO_SPACE"));
      const appended = log.append({ value: "lost" });
      const refused = fails("DISK_FULL", () => appended);
      await fails("DISK_FULL", () => log.flush());
      await refused;
      assert.equal(errors[0].code, "DISK_FULL");
      const later = await fails("POISONED", () => log.append({ value: "x" }));
      assert.equal((later.cause as LogError).code, "DISK_FULL");
    }));

  it("of a large piece, which answers late, is no different", () =>
    useBreakable({}, async ({ log, errors, breakDisk }) => {
      breakDisk(async (operation) => {
        if (!writes(".log")(operation)) return;
        await new Promise((resolve) => setTimeout(resolve, 10));
        throw diskFailure(operation);
      });
      take(log.shard(0), { value: filled(300_000, 1) });
      const flushed = fails("IO", () => log.flush());
      take(log.shard(0), { value: "meanwhile" });
      await flushed;
      assert.equal(errors.length, 1);
      assert.equal((await fails("POISONED", () => log.append({ value: "x" }))).range?.[1], 4);
    }));

  it("lets a callback that throws, and one that appends, change nothing", async () => {
    await useDirectory(async (directory) => {
      const vfs = new ControlledVfs();
      const log = await openLog(directory, {
        vfs,
        onError: () => {
          assert.equal(log.shard(0).state, "poisoned");
          log.shard(0).tryAppend({ value: "x" });
        },
      });
      vfs.control = failFrom(1, writes(".log"));
      await fails("IO", () => log.append({ value: "lost" }));
      await log.close();
    });
  });

  it("lets the log be closed, and shard and log say why nothing goes any more", () =>
    useBreakable({}, async ({ log, breakDisk }) => {
      breakDisk(failFrom(1, writes(".log")));
      take(log.shard(0), { value: "lost" });
      await fails("IO", () => log.flush());
      await log.close();
      await fails("CLOSED", () => log.append({ value: "x" }));
      await fails("CLOSED", () => log.read());
    }));

  it("while closing rejects the closing and gives the lock back", () =>
    useDirectory(async (directory) => {
      const vfs = new ControlledVfs();
      const log = await openLog(directory, { vfs });
      await log.append({ value: "kept" });
      take(log.shard(0), { value: "lost" });
      vfs.control = failFrom(1, writes(".log"));
      await assert.rejects(log.close(), { name: "LogError" });
      await reopen(directory, {}, async (again) => assert.deepEqual(await texts(again.read()), ["kept"]));
    }));

  it("ends those who follow the shard", () =>
    useBreakable({}, async ({ log, breakDisk }) => {
      const followed = collect(log.read({ follow: true }));
      breakDisk(failFrom(1, writes(".log")));
      take(log.shard(0), { value: "lost" });
      await fails("IO", () => log.flush());
      assert.deepEqual((await followed).map((record) => record.text()), ["0", "1", "2"]);
    }));
});

describe("a failed sync", () => {
  for (const durability of ["os", "disk"] as const) {
    it(`is never tried again, and poisons a log of rung ${durability} [fault 10]`, () =>
      useBreakable({ durability }, async ({ log, vfs, errors, breakDisk }) => {
        breakDisk(failFrom(1, syncs(".log")));
        const shard = log.shard(0);
        take(shard, { value: "3" });
        await fails("IO", () => shard.flush("disk"));
        assert.equal(shard.state, "poisoned");
        assert.equal(errors.length, 1);
        await fails("POISONED", () => shard.flush("disk"));
        assert.equal(shard.synced, 3);
        assert.equal(shard.written, 4);
        const later = await fails("POISONED", () => shard.tryAppend({ value: "x" }));
        assert.equal(later.range?.[0], durability === "disk" ? 3 : 4, "the first offset that is not acknowledged");
        await log.close();
        assert.equal(vfs.count("sync", ".log"), 1);
      }));
  }

  it("of the segment before, in the background, poisons at the next chance [fault 11]", () =>
    useBreakable({ segmentBytes: 2000, stride: 1 }, async ({ log, vfs, breakDisk }) => {
      breakDisk(failFrom(1, syncs("00.log")));
      const shard = log.shard(0);
      await assert.rejects(async () => {
        for (let i = 0; i < 10; i++) await shard.acknowledged(take(shard, { value: filled(900, i) }));
      }, { name: "LogError" });
      assert.equal(shard.state, "poisoned");
      assert.equal(vfs.count("sync", "00000.log"), 1);
    }));
});

describe("a failure of the other files", () => {
  it("of the index never stops the log [fault 7]", () =>
    useBreakable({}, async ({ log, errors, breakDisk }) => {
      const shard = log.shard(0);
      breakDisk(failFrom(1, writes(".idx"), "NO_SPACE"));
      for (let i = 3; i < 10; i++) {
        take(shard, { value: `${i}`, timestamp: i });
        await shard.flush("disk");
      }
      assert.deepEqual(errors, []);
      const expected = Array.from({ length: 7 }, (_, i) => `${i + 3}`);
      assert.deepEqual(await texts(log.read({ from: 3 })), expected);
      assert.deepEqual(await texts(log.read({ last: 2 })), ["8", "9"]);
    }));

  it("of the index at a roll never stops the log [fault 7]", () =>
    useBreakable({ segmentBytes: 2000, stride: 1 }, async ({ log, errors, breakDisk }) => {
      const shard = log.shard(0);
      breakDisk(failFrom(1, ({ kind, path }) => kind === "create" && path.endsWith(".idx")));
      for (let i = 3; i < 10; i++) await shard.acknowledged(take(shard, { value: `${i}`.padEnd(900) }));
      assert.deepEqual(errors, []);
      const values = await texts(log.read({ from: 3 }));
      assert.deepEqual(values.map((value) => value!.trim()), Array.from({ length: 7 }, (_, i) => `${i + 3}`));
    }));

  it("of the anchor stops acknowledgements [fault 7]", () =>
    useBreakable({}, async ({ log, errors, breakDisk }) => {
      breakDisk(failFrom(1, writes("/anchor")));
      const shard = log.shard(0);
      take(shard, { value: "3" });
      const acknowledged = fails("IO", () => shard.acknowledged(3));
      await fails("IO", () => shard.flush());
      await acknowledged;
      assert.equal(shard.written, 3);
      assert.equal(shard.state, "poisoned");
      assert.equal(errors.length, 1);
      assert.deepEqual(await texts(log.read()), ["0", "1", "2"], "what is not published is not read");
    }));

  for (const kind of ["write", "sync"] as const) {
    it(`of the state's ${kind} before the first append stops it`, () =>
      useDirectory(async (directory) => {
        const vfs = new ControlledVfs(
          failFrom(1, (operation) => operation.kind === kind && operation.path.endsWith("/state")),
        );
        const log = await openLog(directory, { vfs, topic: "log" });
        await fails("IO", () => log.append({ value: "lost" }));
        assert.equal(vfs.count("write", ".log"), 0, "no byte goes into a .log before the epoch is durable");
        await log.close();
      }));
  }

  it("of a directory that cannot be synced is a failed sync [fault 11]", () =>
    useDirectory(async (directory) => {
      const vfs = new ControlledVfs();
      const log = await openLog(directory, { vfs, topic: "log" });
      vfs.control = failFrom(1, ({ kind }) => kind === "syncDirectory");
      await fails("IO", () => log.append({ value: "lost" }, { durability: "disk" }));
      assert.equal(log.shard(0).synced, 0);
      assert.equal(log.shard(0).state, "poisoned");
      await log.close();
    }));

  it("of a segment that cannot be created poisons the shard [fault 7]", () =>
    useBreakable({ segmentBytes: 2000, stride: 1 }, async ({ log, breakDisk }) => {
      const shard = log.shard(0);
      breakDisk(failFrom(1, ({ kind, path }) => kind === "create" && path.endsWith(".log"), "TOO_MANY_FILES"));
      for (let i = 0; i < 4; i++) take(shard, { value: filled(900, i) });
      await until(() => shard.state === "poisoned", "poisoned");
      const error = await fails("POISONED", () => shard.tryAppend({ value: "x" }));
      assert.match(error.message, /ulimit/);
    }));
});
