/** A writer that stood still, lost the lock meanwhile, and goes on beside another one. */
import assert from "node:assert/strict";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { type Log, openLog } from "../../mod.ts";
import type { Clock } from "../../src/vfs.ts";
import { systemClock } from "../../adapters/system.ts";
import { fails, reopen, take, texts, useDirectory } from "../helpers.ts";
import { ControlledVfs } from "../shard/controlled_vfs.ts";

const OPTIONS = { topic: "log", flushIntervalMs: Infinity } as const;

/** A clock that a test sets forward: what a stopped process sees when it goes on. */
function stoppable(): { clock: Clock; stop: (ms: number) => void } {
  let stoodMs = 0;
  return { clock: { ...systemClock, monotonic: () => performance.now() + stoodMs }, stop: (ms) => stoodMs += ms };
}

/** Somebody removes the file that carries the lock, as a clean-up script does: it excludes nobody any more. */
function loseLock(directory: string): void {
  for (const name of ["lock", "lock-journal"]) rmSync(join(directory, name), { force: true });
  assert.ok(!existsSync(join(directory, "lock")));
}

async function useTwo(
  body: (
    parts: { first: Log; vfs: ControlledVfs; stop: (ms: number) => void; takeOver: () => Promise<Log> },
  ) => Promise<
    readonly string[]
  >,
): Promise<void> {
  await useDirectory(async (directory) => {
    const { clock, stop } = stoppable();
    const vfs = new ControlledVfs();
    const first = await openLog(directory, { ...OPTIONS, vfs, clock });
    const logs: Log[] = [first];
    const takeOver = async (): Promise<Log> => {
      loseLock(directory);
      const second = await openLog(directory, OPTIONS);
      logs.push(second);
      return second;
    };
    let expected: readonly string[];
    try {
      expected = await body({ first, vfs, stop, takeOver });
    } finally {
      for (const log of logs.reverse()) await log.close().catch(() => {});
    }
    await reopen(directory, {}, async (log) => {
      assert.deepEqual(await texts(log.read()), expected);
      assert.equal(log.recovery[0].verdict, "clean");
    });
  });
}

/** The first writer gets no acknowledgement any more, and has not written a byte. */
async function refused(first: Log, vfs: ControlledVfs): Promise<void> {
  vfs.operations.length = 0;
  take(first.shard(0), { value: "too late" });
  const error = await fails("LOCKED", () => first.flush());
  assert.equal(error.shard, 0);
  assert.equal(first.shard(0).state, "poisoned");
  await fails("POISONED", () => first.append({ value: "still too late" }));
  await fails("POISONED", () => first.flush("disk"));
  await first.close().catch(() => {});
  assert.deepEqual(vfs.operations, []);
}

describe("a writer that lost the lock while it stood still", () => {
  it("writes nothing more once another one has appended [fault 45]", () =>
    useTwo(async ({ first, vfs, stop, takeOver }) => {
      await first.shard(0).flush();
      take(first.shard(0), { value: "first" });
      await first.flush("disk");
      const second = await takeOver();
      take(second.shard(0), { value: "second" });
      await second.flush("disk");
      stop(10_000);
      await refused(first, vfs);
      take(second.shard(0), { value: "third" });
      await second.flush("disk");
      return ["first", "second", "third"];
    }));

  it("writes nothing where it had not begun to write either [fault 45]", () =>
    useTwo(async ({ first, vfs, stop, takeOver }) => {
      const second = await takeOver();
      take(second.shard(0), { value: "second" });
      await second.flush("disk");
      stop(10_000);
      await refused(first, vfs);
      return ["second"];
    }));

  it("acknowledges nothing where it stood still in the middle of a write [fault 45]", () =>
    useTwo(async ({ first, vfs, stop, takeOver }) => {
      take(first.shard(0), { value: "first" });
      await first.flush("disk");
      let second: Log | undefined;
      vfs.control = async ({ kind, path }) => {
        // Before its rows are written: the body is in the file.
        if (kind !== "write" || !path.endsWith(".idx") || second !== undefined) return;
        second = await takeOver();
        take(second.shard(0), { value: "behind it" });
        await second.flush("disk");
        stop(10_000);
      };
      take(first.shard(0), { value: "in the file, and never acknowledged" });
      await fails("LOCKED", () => first.flush());
      await fails("POISONED", () => first.append({ value: "no" }));
      return ["first", "in the file, and never acknowledged", "behind it"];
    }));

  it("goes on where it has kept it, however long it stood still", () =>
    useTwo(async ({ first, stop }) => {
      for (const value of ["first", "second", "third"]) {
        take(first.shard(0), { value });
        await first.flush(value === "second" ? "disk" : "os");
        stop(3_600_000);
      }
      return ["first", "second", "third"];
    }));
});
