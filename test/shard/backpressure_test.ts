import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BACKPRESSURE } from "../../mod.ts";
import { collect, fails, filled, outcomeOf, take, texts, useLog } from "../helpers.ts";
import { useHeldLog } from "./controlled_vfs.ts";

describe("backpressure", () => {
  it("takes nothing, and the same record goes in once there is room", () =>
    useHeldLog({ maxBufferPerShard: 4000 }, async (log, gate) => {
      const shard = log.shard(0);
      const record = { value: filled(900, 7), timestamp: 1 };
      let taken = 0;
      while (shard.tryAppend(record) !== BACKPRESSURE) taken++;
      assert.equal(taken, 4);
      assert.equal(shard.nextOffset, taken);
      assert.equal(shard.tryAppend(record), BACKPRESSURE);
      assert.equal(shard.nextOffset, taken);
      const writable = shard.writable();
      assert.equal(await outcomeOf(writable), "pending");
      gate.open();
      await writable;
      assert.equal(shard.tryAppend(record), taken);
      await log.flush();
      const values = (await collect(log.read())).map((read) => read.value);
      assert.deepEqual(values, Array(taken + 1).fill(record.value));
    }));

  it("ends where every record is synced, too, however many writes one sync covers", () =>
    useLog({ durability: "disk", maxBufferPerShard: 200_000, flushBytes: 10_000, batchBytes: 5000 }, async (log) => {
      const shard = log.shard(0);
      const record = { value: filled(1000, 7) };
      for (let i = 0; i < 5000; i++) while (shard.tryAppend(record) === BACKPRESSURE) await shard.writable();
      await shard.flush();
      assert.equal(shard.synced, 5000);
    }));

  it("is over at once while less than half of the buffer is in use", () =>
    useLog({ maxBufferPerShard: 10_000, flushIntervalMs: Infinity }, async (log) => {
      const shard = log.shard(0);
      await shard.writable();
      take(shard, { value: filled(4000, 1) });
      await shard.writable();
      assert.equal(shard.written, 0);
    }));

  it("is not over while half of the buffer is in use", () =>
    useHeldLog({ maxBufferPerShard: 10_000, flushIntervalMs: Infinity }, async (log, gate) => {
      const shard = log.shard(0);
      take(shard, { value: filled(6000, 1) });
      const writable = shard.writable();
      assert.equal(await outcomeOf(writable), "pending");
      gate.open();
      await writable;
      assert.equal(shard.written, 1);
    }));

  it("ends by itself where only time or stride would flush", () =>
    useLog({ maxBufferPerShard: 10_000, flushIntervalMs: Infinity }, async (log) => {
      const shard = log.shard(0);
      for (let i = 0; i < 200; i++) {
        while (shard.tryAppend({ value: filled(1000, i) }) === BACKPRESSURE) await shard.writable();
      }
      assert.ok(shard.written > 0);
    }));

  it("waits for as much room as the refused record needs, so that trying again is no idle loop", () =>
    useHeldLog({ maxBufferPerShard: 10_000 }, async (log, gate) => {
      const shard = log.shard(0);
      take(shard, { value: filled(4000, 1) });
      assert.equal(shard.tryAppend({ value: filled(7000, 2) }), BACKPRESSURE);
      const writable = shard.writable();
      assert.equal(await outcomeOf(writable), "pending");
      gate.open();
      await writable;
      assert.equal(shard.tryAppend({ value: filled(7000, 2) }), 1);
    }));

  it("gives up waiting on a signal, with its reason", () =>
    useHeldLog({ maxBufferPerShard: 2000 }, async (log, gate) => {
      const shard = log.shard(0);
      take(shard, { value: filled(1500, 1) });
      const controller = new AbortController();
      const writable = shard.writable({ signal: controller.signal });
      controller.abort(new Error("enough"));
      await assert.rejects(writable, /enough/);
      await assert.rejects(shard.writable({ signal: AbortSignal.abort(new Error("before")) }), /before/);
      gate.open();
    }));

  it("rejects who waits when the log is closed", () =>
    useHeldLog({ maxBufferPerShard: 2000 }, async (log, gate) => {
      take(log.shard(0), { value: filled(1500, 1) });
      const appended = log.append({ value: filled(1500, 2) });
      const refused = fails("CLOSED", () => appended);
      const closed = log.close();
      gate.open();
      await Promise.all([closed, refused]);
      await fails("CLOSED", () => log.shard(0).writable());
    }));

  it("lets append wait, in the order of the calls", () =>
    useHeldLog({ maxBufferPerShard: 3000 }, async (log, gate) => {
      const sizes = Array.from({ length: 40 }, (_, i) => i % 4 === 0 ? 2000 : 100);
      const settled: number[] = [];
      const appended = sizes.map((size, i) =>
        log.append({ value: filled(size, i) }).then((answer) => {
          settled.push(i);
          return answer.offset;
        })
      );
      assert.equal(await outcomeOf(appended[4]), "pending");
      assert.equal(log.shard(0).nextOffset, 4, "the buffer holds the first few only");
      gate.open();
      const expected = sizes.map((_, i) => i);
      assert.deepEqual(await Promise.all(appended), expected);
      assert.deepEqual(settled, expected);
      const values = (await collect(log.read())).map((record) => record.value);
      assert.deepEqual(values, sizes.map((size, i) => filled(size, i)));
    }));

  it("lets a waiting append give up on a signal, also behind others, without disturbing them", () =>
    useHeldLog({ maxBufferPerShard: 2000 }, async (log, gate) => {
      const controllers = Array.from({ length: 6 }, () => new AbortController());
      const appended = controllers.map(({ signal }, i) => log.append({ value: `${i}`.padEnd(1500) }, { signal }));
      const results = Promise.allSettled(appended);
      for (const i of [1, 4]) {
        controllers[i].abort(new Error(`stop ${i}`));
        await assert.rejects(appended[i], new RegExp(`stop ${i}`));
      }
      gate.open();
      assert.deepEqual((await results).map(({ status }) => status === "fulfilled"), [
        true,
        false,
        true,
        true,
        false,
        true,
      ]);
      assert.deepEqual((await texts(log.read())).map((text) => text!.trim()), ["0", "2", "3", "5"]);
    }));

  it("lets a record that is too large fail alone among those that wait", () =>
    useHeldLog({ maxBufferPerShard: 2000 }, async (log, gate) => {
      const first = log.append({ value: filled(1500, 1) });
      const second = log.append({ value: filled(1500, 2) });
      const tooLarge = fails("RECORD_TOO_LARGE", () => log.append({ value: filled(3000, 3) }));
      const last = log.append({ value: filled(1500, 4) });
      gate.open();
      await tooLarge;
      assert.deepEqual((await Promise.all([first, second, last])).map(({ offset }) => offset), [0, 1, 2]);
    }));
});

describe("backpressure over several shards", () => {
  const options = { shards: 3, maxBufferBytes: 9000, flushIntervalMs: Infinity, topic: "log" };

  it("counts the buffers of all shards together", () =>
    useHeldLog(options, async (log, gate) => {
      const [a, b, c] = log.shards;
      for (const shard of [a, b]) for (let i = 0; i < 4; i++) take(shard, { value: filled(950, i) });
      assert.equal(c.tryAppend({ value: filled(1500, 1) }), BACKPRESSURE);
      const writable = c.writable();
      assert.equal(await outcomeOf(writable), "pending");
      gate.open();
      await writable;
      assert.equal(take(c, { value: filled(1500, 1) }), 0);
      assert.ok(a.written + b.written >= 4, "the other shards were flushed for it");
    }));

  it("wakes a shard that holds nothing itself when the others have given room back", () =>
    useLog({ ...options, batchBytes: 500 }, async (log) => {
      const [a, b] = log.shards;
      for (let round = 0; round < 50; round++) {
        while (a.tryAppend({ value: filled(700, round) }) !== BACKPRESSURE);
        while (b.tryAppend({ value: filled(800, round) }) === BACKPRESSURE) await b.writable();
      }
      assert.equal(b.nextOffset, 50);
    }));

  it("gives room to a record that needs more than half of it, while another shard holds a little and nothing flushes it", () =>
    useLog(options, async (log) => {
      take(log.shard(1), { value: filled(3000, 1) });
      const large = { value: filled(7000, 2) };
      assert.equal(log.shard(0).tryAppend(large), BACKPRESSURE);
      await log.shard(0).writable({ signal: AbortSignal.timeout(5000) });
      assert.equal(log.shard(0).tryAppend(large), 0);
    }));

  it("lets every shard go on under a load that is many times the budget [fault 57]", () =>
    useLog(options, async (log) => {
      const count = 200;
      const fill = async (id: number): Promise<void> => {
        const shard = log.shard(id);
        for (let i = 0; i < count; i++) {
          while (shard.tryAppend({ value: filled(100 + (i % 7) * 300, i) }) === BACKPRESSURE) await shard.writable();
        }
      };
      await Promise.all([fill(0), fill(1), fill(2)]);
      await log.flush();
      for (const shard of log.shards) assert.equal(shard.written, count);
    }));

  it("refuses a record that is larger than the budget of the log", () =>
    useLog(options, async (log) => {
      await fails("RECORD_TOO_LARGE", () => log.shard(0).tryAppend({ value: filled(9000, 1) }));
    }));
});
