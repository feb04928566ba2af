/**
 * sonic-boom 65: when a flush fails, what is written afterwards piles up in memory without a bound and without a word. Here the buffer
 * stays as large as it may be, and everybody is told.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BACKPRESSURE, type LogError, openLog, type OpenOptions } from "../../mod.ts";
import { fails, outcomeOf, useDirectory } from "../helpers.ts";
import { ControlledVfs, diskFailure, Gate } from "../shard/controlled_vfs.ts";

const ROOM = 64 * 1024;
const RECORD = { value: "x".repeat(1000) };
const OPTIONS: OpenOptions = { topic: "log", maxBufferPerShard: ROOM, maxBufferBytes: ROOM, flushIntervalMs: 1 };

describe("a flush that fails, as in sonic-boom 65", () => {
  it("does not let the buffer grow, while it hangs and after it has failed, and tells every caller", () =>
    useDirectory(async (directory) => {
      const vfs = new ControlledVfs();
      const errors: LogError[] = [];
      const log = await openLog(directory, { ...OPTIONS, vfs, onError: (error) => void errors.push(error) });
      const shard = log.shard(0);
      await log.append({ value: "safe" });
      const gate = new Gate();
      vfs.control = async (operation) => {
        if (operation.kind !== "write" || !operation.path.endsWith(".log")) return;
        await gate.passed;
        throw diskFailure(operation);
      };

      // The disk hangs: the program goes on logging.
      let taken = 0;
      for (let i = 0; i < 10_000; i++) if (shard.tryAppend(RECORD) !== BACKPRESSURE) taken++;
      assert.ok(taken * RECORD.value.length <= ROOM, `${taken} records of 1000 bytes were taken into ${ROOM} bytes`);
      const end = shard.nextOffset;
      const waiting = [
        ...Array.from({ length: 100 }, () => log.append(RECORD)),
        shard.writable(),
        shard.acknowledged(end - 1),
        log.flush(),
        log.toWritableStream().getWriter().write(RECORD),
      ];
      for (const call of waiting) assert.equal(await outcomeOf(call), "pending");
      assert.equal(shard.nextOffset, end, "who waits has taken nothing");

      // It fails: all of them are told, and so is whoever comes later.
      gate.open();
      for (const result of await Promise.allSettled(waiting)) {
        assert.equal(result.status, "rejected");
        assert.ok(["POISONED", "IO"].includes((result as PromiseRejectedResult).reason.code));
      }
      assert.equal(errors.length, 1);
      for (let i = 0; i < 1000; i++) {
        assert.throws(() => shard.tryAppend(RECORD), { code: "POISONED" });
        if (i % 100 === 0) await fails("POISONED", () => log.append(RECORD));
      }
      assert.equal(shard.nextOffset, end, "nothing more was taken");
      assert.equal(shard.state, "poisoned");
      await log.close().catch(() => {});
      vfs.control = () => {};
      const again = await openLog(directory, { ...OPTIONS, vfs });
      assert.equal((await again.get({ offset: 0 }))?.text(), "safe");
      await again.append(RECORD);
      await again.close();
    }));
});
