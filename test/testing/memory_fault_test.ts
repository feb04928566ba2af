/** Each planned fault strikes where it should, and does what it says. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CrashError, type LogError, type MemoryFault, type MemoryLog, openMemoryLog } from "../../testing.ts";

async function count(log: MemoryLog): Promise<number> {
  let records = 0;
  for await (const _ of log.read()) records++;
  return records;
}

/** Appends one by one until one fails; answers how many were acknowledged and the code of the failure. */
async function appendUntilFailure(log: MemoryLog, value = "x"): Promise<[acknowledged: number, code: string]> {
  for (let i = 0; i < 1000; i++) {
    try {
      await log.append({ value });
    } catch (error) {
      return [i, (error as LogError).code];
    }
  }
  return [1000, "none"];
}

describe("a planned fault", () => {
  for (const [leaves, left] of [["nothing", 2], ["half", 2], ["everything", 3]] as const) {
    it(`fails the third write and leaves ${leaves} [faults 1, 3, 4]`, async () => {
      const errors: LogError[] = [];
      const log = await openMemoryLog({ onError: (error) => errors.push(error) });
      log.plan({ fault: "writeFails", nth: 3, leaves });
      assert.deepEqual(await appendUntilFailure(log), [2, "IO"]);
      assert.deepEqual([log.shard(0).state, errors.length], ["poisoned", 1]);
      await assert.rejects(log.append({ value: "x" }), { code: "POISONED" });
      const again = await log.crash("process");
      assert.equal(await count(again), left);
      await again.append({ value: "x" });
      assert.equal(errors.length, 1);
      await again.close();
    });
  }

  it("fills the disk, which stays full over a crash until there is room again [faults 6, 8]", async () => {
    const log = await openMemoryLog();
    await log.append({ value: "first" });
    const free = log.plan({ fault: "diskFull", afterBytes: 1000 });
    const [acknowledged, code] = await appendUntilFailure(log, "x".repeat(100));
    assert.equal(code, "DISK_FULL");
    assert.ok(acknowledged > 0 && acknowledged < 10, `${acknowledged}`);
    free();
    const again = await log.crash("process");
    assert.ok(await count(again) >= 1 + acknowledged);
    assert.equal((await appendUntilFailure(again))[0], 1000);
    const freeAgain = again.plan({ fault: "diskFull", afterBytes: 0 });
    const third = await again.crash("process");
    assert.deepEqual(await appendUntilFailure(third), [0, "DISK_FULL"]);
    freeAgain();
    const fourth = await third.crash("process");
    await fourth.append({ value: "room" });
    await fourth.close();
  });

  it("fails a sync once, and the log does not try again [fault 10]", async () => {
    const log = await openMemoryLog({ durability: "disk", faults: [{ fault: "syncFails", nth: 2 }] });
    assert.deepEqual(await appendUntilFailure(log), [1, "IO"]);
    await assert.rejects(log.flush("disk"), { code: "POISONED" });
    const again = await log.crash("power");
    assert.equal(await count(again), 1);
    await again.close();
  });

  it("lets a sync lie: after a power loss the log says that data is gone, and goes on only with consent [fault 12]", async () => {
    let refused = 0;
    for (let seed = 1; seed <= 20; seed++) {
      const log = await openMemoryLog({ seed, durability: "disk" });
      await log.append({ value: "kept" });
      log.plan({ fault: "syncLies", times: Infinity, file: "any" });
      for (let i = 0; i < 3; i++) await log.append({ value: "believed to be kept" });
      try {
        await (await log.crash("power")).close();
      } catch (error) {
        assert.equal((error as LogError).code, "DATA_LOSS", `seed ${seed}`);
        refused++;
        const again = await log.reopen({ acceptDataLoss: true });
        assert.equal(again.recovery[0].verdict, "loss");
        assert.ok(await count(again) >= 1);
        await again.close();
      }
    }
    assert.ok(refused > 0, "no seed lost anything");
  });

  it("delays a write, and others overtake it", async () => {
    const log = await openMemoryLog({ shards: 2, flushIntervalMs: 0 });
    const [slow, fast] = log.shards;
    for (const shard of log.shards) {
      shard.tryAppend({ value: "the files are there" });
      await shard.flush();
    }
    log.plan({ fault: "delay", turns: 5000 });
    const order: number[] = [];
    slow.tryAppend({ value: "first" });
    const first = slow.flush().then(() => order.push(0));
    fast.tryAppend({ value: "second" });
    await Promise.all([first, fast.flush().then(() => order.push(1))]);
    assert.deepEqual(order, [1, 0]);
    await log.close();
  });

  it("stops the machine at an operation, and nobody is told of a success after that", async () => {
    const log = await openMemoryLog({ onError: () => assert.fail("a dead process reports nothing") });
    log.plan({ fault: "stop", nth: 4 });
    const before = log.operations;
    await assert.rejects(log.append({ value: "x" }), CrashError);
    assert.equal(log.operations, before + 4);
    await assert.rejects(async () => await log[Symbol.asyncDispose](), CrashError);
    const again = await log.crash("process");
    assert.ok(await count(again) <= 1);
    await again.close();
  });

  it("can be taken back", async () => {
    const log = await openMemoryLog();
    const faults: MemoryFault[] = [
      { fault: "writeFails" },
      { fault: "syncFails" },
      { fault: "stop", nth: 2 },
      { fault: "diskFull", afterBytes: 0 },
    ];
    for (const fault of faults) log.plan(fault)();
    await log.append({ value: "x" }, { durability: "disk" });
    await log.close();
  });

  it("is refused where it makes no sense", async () => {
    const log = await openMemoryLog();
    for (
      const fault of [
        { fault: "writeFails", nth: 0 },
        { fault: "syncFails", times: 0.5 },
        { fault: "diskFull", afterBytes: -1 },
        { fault: "delay", turns: 0 },
        { fault: "stop", nth: NaN },
      ] as MemoryFault[]
    ) assert.throws(() => log.plan(fault), RangeError, JSON.stringify(fault));
    for (
      const fault of [{ fault: "flood" }, { fault: "writeFails", file: "x" }, { fault: "writeFails", leaves: "x" }]
    ) {
      assert.throws(() => log.plan(fault as MemoryFault), TypeError, JSON.stringify(fault));
    }
    await log.close();
  });
});
