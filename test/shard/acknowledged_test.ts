import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Rung } from "../../mod.ts";
import { fails, outcomeOf, reopen, take, texts, useDirectory, useLog } from "../helpers.ts";
import { ControlledVfs, Gate, useHeldLog } from "./controlled_vfs.ts";

describe("flush", () => {
  it("answers the exclusive end on its rung", () =>
    useLog({ flushIntervalMs: Infinity }, async (log) => {
      const shard = log.shard(0);
      assert.equal(await shard.flush(), 0);
      for (let i = 0; i < 5; i++) take(shard, { value: "x" });
      assert.equal(await shard.flush("os"), 5);
      assert.equal(shard.written, 5);
      assert.equal(shard.synced, 0);
      take(shard, { value: "y" });
      assert.equal(await shard.flush("disk"), 6);
      assert.equal(shard.written, 6);
      assert.equal(shard.synced, 6);
      assert.equal(await shard.flush("disk"), 6);
    }));

  it("covers what was taken before the call", () =>
    useHeldLog({ flushIntervalMs: Infinity }, async (log, gate, vfs) => {
      const shard = log.shard(0);
      take(shard, { value: "a" });
      const first = shard.flush();
      take(shard, { value: "b" });
      const second = shard.flush();
      take(shard, { value: "c" });
      assert.equal(await outcomeOf(first), "pending");
      gate.open();
      assert.ok(await first >= 1);
      assert.equal(await second, 2);
      assert.equal(shard.written, 2);
      assert.equal(vfs.count("write", ".log"), 2);
    }));

  it("answers on the log's own rung without an argument", () =>
    useLog({ durability: "disk", flushIntervalMs: Infinity }, async (log) => {
      take(log.shard(0), { value: "x" });
      assert.equal(await log.shard(0).flush(), 1);
      assert.equal(log.shard(0).synced, 1);
    }));

  it("to the disk makes durable what another opening has written", () =>
    useDirectory(async (directory) => {
      await reopen(directory, {}, (log) => log.append({ value: "x" }));
      await reopen(directory, {}, async (log) => {
        assert.equal(await log.shard(0).flush("disk"), 1);
        assert.equal(log.shard(0).synced, 1);
      });
    }));

  it("of the log flushes every shard", () =>
    useLog({ shards: 3, flushIntervalMs: Infinity }, async (log) => {
      for (const shard of log.shards) take(shard, { value: "x" });
      await log.flush();
      assert.deepEqual(log.shards.map((shard) => shard.written), [1, 1, 1]);
      await log.flush("disk");
      assert.deepEqual(log.shards.map((shard) => shard.synced), [1, 1, 1]);
    }));
});

describe("acknowledged", () => {
  it("resolves on rung os when the record is written, and on rung disk when it is synced", () => {
    const gates = { os: new Gate(), disk: new Gate() };
    const vfs = new ControlledVfs(({ kind, path }) => {
      if (!path.endsWith(".log")) return;
      return kind === "write" ? gates.os.passed : kind === "sync" ? gates.disk.passed : undefined;
    });
    return useLog({ vfs, flushIntervalMs: 1 }, async (log) => {
      const shard = log.shard(0);
      take(shard, { value: "x" });
      const os = shard.acknowledged(0, "os");
      const byDefault = shard.acknowledged(0);
      const disk = shard.acknowledged(0, "disk");
      assert.equal(await outcomeOf(os), "pending");
      gates.os.open();
      await Promise.all([os, byDefault]);
      assert.equal(shard.synced, 0);
      assert.equal(await outcomeOf(disk), "pending");
      gates.disk.open();
      await disk;
      assert.equal(shard.synced, 1);
    });
  });

  it("resolves at once for what has long been there", () =>
    useLog({}, async (log) => {
      await log.append({ value: "x" }, { durability: "disk" });
      await log.shard(0).acknowledged(0, "os");
      await log.shard(0).acknowledged(0, "disk");
    }));

  it("refuses offsets that were not handed out", () =>
    useLog({}, async (log) => {
      take(log.shard(0), { value: "x" });
      for (const offset of [1, 2, -1, 0.5, NaN]) {
        await assert.rejects(log.shard(0).acknowledged(offset), RangeError, String(offset));
      }
      await log.shard(0).acknowledged(0);
    }));

  it("resolves in the order of the offsets", () =>
    useHeldLog({ flushIntervalMs: Infinity, stride: 2 }, async (log, gate) => {
      const shard = log.shard(0);
      const order: number[] = [];
      for (let i = 0; i < 6; i++) take(shard, { value: "x" });
      const waits = [5, 0, 3, 1, 4, 2].map((offset) => shard.acknowledged(offset).then(() => order.push(offset)));
      gate.open();
      await Promise.all(waits);
      assert.deepEqual(order, [0, 1, 2, 3, 4, 5]);
    }));

  it("gives up on a signal, with its reason; what was taken stays taken", () =>
    useHeldLog({}, async (log, gate) => {
      const shard = log.shard(0);
      take(shard, { value: "x" });
      const controller = new AbortController();
      const waits = [
        shard.acknowledged(0, "os", { signal: controller.signal }),
        shard.acknowledged(0, "disk", { signal: controller.signal }),
        log.append({ value: "y" }, { signal: controller.signal }),
      ];
      assert.equal(await outcomeOf(waits[0]), "pending");
      controller.abort(new Error("enough"));
      for (const wait of waits) await assert.rejects(wait, /enough/);
      gate.open();
      await log.flush();
      assert.deepEqual(await texts(log.read()), ["x", "y"]);
    }));

  it("holds after closing for what was acknowledged", async () => {
    await useLog({}, async (log) => {
      take(log.shard(0), { value: "x" });
      await log.close();
      await log.shard(0).acknowledged(0, "disk");
    });
  });
});

describe("durability", () => {
  const rungs: readonly (readonly [log: Rung | undefined, append: Rung | undefined, synced: boolean])[] = [
    [undefined, undefined, false],
    ["os", "os", false],
    ["os", "disk", true],
    ["disk", undefined, true],
    ["disk", "os", false],
  ];
  for (const [durability, ofAppend, synced] of rungs) {
    const outcome = synced ? "has synced" : "need not have synced";
    it(`of a log ${durability ?? "by default"} and an append ${ofAppend ?? "by default"}: ${outcome}`, () => {
      const gate = new Gate();
      const vfs = new ControlledVfs(({ kind, path }) =>
        kind === "sync" && path.endsWith(".log") ? gate.passed : undefined
      );
      const options = { vfs, flushIntervalMs: 1, ...(durability === undefined ? {} : { durability }) };
      return useLog(options, async (log) => {
        const appended = log.append({ value: "x" }, ofAppend === undefined ? {} : { durability: ofAppend });
        await log.shard(0).acknowledged(0, "os");
        assert.equal(await outcomeOf(appended), synced ? "pending" : "resolved");
        gate.open();
        assert.deepEqual(await appended, { shard: 0, offset: 0 });
        if (synced) assert.equal(log.shard(0).synced, 1);
      });
    });
  }

  it("of disk syncs many appends with one call", () => {
    const vfs = new ControlledVfs();
    return useLog({ vfs, durability: "disk", flushIntervalMs: 5 }, async (log) => {
      await Promise.all(Array.from({ length: 500 }, () => log.append({ value: "x" })));
      assert.equal(log.shard(0).synced, 500);
      assert.ok(vfs.count("sync", ".log") <= 3, String(vfs.count("sync", ".log")));
    });
  });

  it("of os syncs no .log while records come", () => {
    const vfs = new ControlledVfs();
    return useLog({ vfs }, async (log) => {
      for (let i = 0; i < 20; i++) await log.append({ value: "x" });
      assert.equal(vfs.count("sync", ".log"), 0);
    });
  });

  it("must be one of the two", async () => {
    await useDirectory(async (directory) => {
      await assert.rejects(reopen(directory, { durability: "tape" as Rung }, () => {}), RangeError);
    });
  });
});

describe("a shard's state", () => {
  it("is open, then closed", async () => {
    await useLog({ shards: 2 }, async (log) => {
      assert.deepEqual(log.shards.map(({ state }) => state), ["open", "open"]);
      await log.close();
      assert.deepEqual(log.shards.map(({ state }) => state), ["closed", "closed"]);
    });
  });

  it("is readOnly where the log was opened so", () =>
    useDirectory(async (directory) => {
      await reopen(directory, {}, (log) => log.append({ value: "x" }));
      await reopen(directory, { readOnly: true }, async (log) => {
        const shard = log.shard(0);
        assert.equal(shard.state, "readOnly");
        assert.deepEqual([shard.earliest, shard.nextOffset, shard.written, shard.synced], [0, 1, 1, 1]);
        await shard.acknowledged(0, "disk");
        for (
          const call of [
            () => shard.tryAppend({ value: "y" }),
            () => shard.tryAppendBatch(new Uint8Array(61)),
            () => shard.writable(),
            () => shard.flush(),
            () => log.append({ value: "y" }),
          ]
        ) await fails("READ_ONLY", call);
        await assert.rejects(shard.acknowledged(1), RangeError);
        await log.close();
        assert.equal(shard.state, "closed");
        await fails("CLOSED", () => shard.tryAppend({ value: "y" }));
      });
    }));
});
