/** The controls of the simulated file system: what is in flight, snapshots, hooks, time and chance. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ContractViolation, MemoryVfs, memoryVfs, seededRandom, simulatedClock } from "../../adapters/memory.ts";
import type { VfsFile } from "../../src/vfs.ts";
import { failsWith, filled, machineWith, tally } from "./memory/support.ts";

describe("operations in flight", () => {
  it("complete in any order, each seed its own, while the caller awaits them", async () => {
    const orders = await tally(40, async (seed) => {
      const [vfs, file] = await machineWith(filled(4, 1), { seed, async: true });
      const order: number[] = [];
      await Promise.all([0, 1, 2].map((i) => Promise.resolve(file.write(filled(1, 5), i)).then(() => order.push(i))));
      assert.deepEqual([...vfs.readWhole("d/f")], [5, 5, 5, 1]);
      return String(order);
    });
    assert.equal(orders.size, 6, [...orders.keys()].join(" "));
  });

  it("complete by step and settle alone when told so", async () => {
    const vfs = memoryVfs({ async: true, auto: false });
    vfs.writeWhole("f", filled(2, 1));
    let done = "";
    (async () => {
      const file = await vfs.open("f", "write");
      done += "opened";
      await file.write(filled(2, 2), 0);
      done += " written";
    })();
    for (let i = 0; i < 50; i++) await Promise.resolve();
    assert.equal(done, "");
    assert.equal(vfs.inFlight, 1);
    assert.ok(vfs.step());
    await vfs.settle();
    assert.equal(done, "opened written");
    assert.equal(vfs.step(), false);
  });

  it("are overtaken when delayed", async () => {
    const orders = await tally(20, async (seed) => {
      const [vfs, file] = await machineWith(filled(4, 1), { seed, async: true });
      vfs.plan({ operation: { kind: "write" }, fault: { kind: "delay", turns: 1000 } });
      const order: number[] = [];
      const slow = Promise.resolve(file.write(filled(1, 2), 0)).then(() => order.push(1));
      await Promise.resolve(file.write(filled(1, 3), 1)).then(() => order.push(2));
      await slow;
      assert.deepEqual([...vfs.readWhole("d/f")], [2, 3, 1, 1]);
      return order.join();
    });
    assert.deepEqual([...orders.keys()], ["2,1"]);
  });

  it("may be seen in part before they complete", async () => {
    const seen = await tally(40, async (seed) => {
      const [vfs, file] = await machineWith(filled(4, 1), { seed, async: true });
      const write = file.write(filled(4, 2), 0);
      const before = vfs.readWhole("d/f").join("");
      await write;
      assert.deepEqual(vfs.readWhole("d/f"), filled(4, 2));
      return before;
    });
    assert.deepEqual([...seen.keys()].sort(), ["1111", "2111", "2211", "2221"]);
  });

  it("are not covered by a sync that began before they completed", async () => {
    const crash = { weights: { dropped: 1 }, sizeBehind: 0 };
    const [vfs, file] = await machineWith(filled(4, 1), { crash });
    await file.write(filled(1, 2), 0);
    vfs.plan({ operation: { kind: "sync" }, fault: { kind: "delay", turns: 5 } });
    const synced = file.sync();
    await file.write(filled(1, 3), 1);
    await synced;
    assert.deepEqual([...vfs.crash("power").readWhole("d/f")], [2, 1, 1, 1]);
  });

  it("are not covered by a directory sync that began before them", async () => {
    const vfs = memoryVfs({ crash: { entriesKept: 0 } });
    await vfs.open("a", "create");
    vfs.plan({ operation: { kind: "syncDirectory" }, fault: { kind: "delay", turns: 5 } });
    const synced = vfs.syncDirectory("");
    await vfs.open("b", "create");
    await synced;
    assert.deepEqual(vfs.crash("power").paths(), ["a"]);
  });

  const violations: [what: string, act: (file: VfsFile, bytes: Uint8Array) => unknown][] = [
    ["an overlapping write", (file) => file.write(filled(2, 3), 1)],
    ["a truncate", (file) => file.truncate(1)],
    ["a close", (file) => file.close()],
    ["a change of the bytes", (_file, bytes) => bytes.fill(7)],
  ];
  for (const [what, act] of violations) {
    it(`do not allow ${what} beside a write`, async () => {
      const [vfs, file] = await machineWith(filled(4, 1));
      vfs.plan({ operation: { kind: "write" }, fault: { kind: "delay", turns: 5 } });
      const bytes = filled(2, 2);
      const write = file.write(bytes, 0);
      await assert.rejects(async () => {
        await act(file, bytes);
        await write;
      }, ContractViolation);
      assert.equal(vfs.violations.length, 1);
    });
  }

  it("allow reads and adjacent writes beside a write", async () => {
    const [vfs, file] = await machineWith(filled(4, 1), { async: true });
    const writes = [file.write(filled(2, 2), 0), file.write(filled(2, 3), 2)];
    assert.equal(await file.read(new Uint8Array(9), 0), 4);
    await Promise.all(writes);
    assert.deepEqual([...vfs.readWhole("d/f")], [2, 2, 3, 3]);
    assert.deepEqual(vfs.violations, []);
  });
});

describe("a snapshot", () => {
  it("starts machines that do not see each other, nor the one it was taken of", async () => {
    const [vfs, file] = await machineWith(filled(4, 1));
    await file.write(filled(1, 2), 0);
    const snapshot = vfs.snapshot();
    await file.write(filled(4, 9), 0);
    await vfs.remove("d/f");
    for (let i = 3; i < 6; i++) {
      const copy = MemoryVfs.from(snapshot);
      assert.deepEqual([...copy.readWhole("d/f")], [2, 1, 1, 1]);
      const other = await copy.open("d/f", "write");
      await other.write(filled(6, i), 1);
      assert.deepEqual([...copy.readWhole("d/f")], [2, i, i, i, i, i, i]);
      assert.deepEqual(await copy.instance("d"), await vfs.instance("d"));
    }
  });

  it("keeps what is unsynced, so that each seed may lose it differently", async () => {
    const vfs = memoryVfs();
    const file = await vfs.open("f", "create");
    await file.write(filled(2000, 2), 0);
    await vfs.rename("f", "g");
    const snapshot = vfs.snapshot();
    const states = await tally(100, (seed) => {
      const next = MemoryVfs.from(snapshot, { seed }).crash("power");
      return next.paths().map((path) => `${path} ${next.readWhole(path)}`).join();
    });
    assert.ok(states.size > 5, String(states.size));
    const repeat = () => JSON.stringify(MemoryVfs.from(snapshot).crash("power").report);
    assert.equal(repeat(), repeat());
  });
});

describe("the test's view", () => {
  it("records every content of the files it was told to", async () => {
    const vfs = memoryVfs({ history: /anchor$/ });
    const file = await vfs.open("anchor", "create");
    const other = await vfs.open("log", "create");
    await file.write(filled(2, 1), 0);
    await other.write(filled(2, 1), 0);
    await file.write(filled(1, 2), 1);
    const next = vfs.crash("process");
    await (await next.open("anchor", "write")).truncate(1);
    assert.deepEqual(next.history("anchor").map((version) => [...version]), [[1, 1], [1, 2], [1]]);
    assert.deepEqual(next.history("log"), []);
  });

  it("hears of every operation, failed ones too", async () => {
    const vfs = memoryVfs();
    const heard: unknown[] = [];
    const end = vfs.onOperation(({ number, kind, path, error }) =>
      heard.push([number, kind, path, error !== undefined])
    );
    await vfs.makeDirectory("d");
    assert.throws(() => vfs.open("d/f", "read"), failsWith("NOT_FOUND"));
    end();
    await vfs.list("d");
    assert.deepEqual(heard, [[1, "makeDirectory", "d", false], [2, "open", "d/f", true]]);
  });

  it("changes files durably behind the engine's back", async () => {
    const [vfs] = await machineWith(filled(4, 1));
    vfs.writeWhole("d/f", filled(2, 7));
    vfs.writeWhole("x/y/z", filled(1, 8));
    vfs.plantOther("d/link");
    const next = vfs.crash("power");
    assert.deepEqual(next.paths(), ["d/f", "x/y/z"]);
    assert.deepEqual(next.readWhole("d/f"), filled(2, 7));
    assert.throws(() => next.open("d/link", "read"), failsWith("IO"));
    next.removeWhole("x");
    assert.deepEqual(next.crash("power").paths(), ["d/f"]);
  });

  it("can refuse direct access and an instance, and take locks away", async () => {
    const vfs = memoryVfs({ directIo: false, unknownInstance: true });
    vfs.writeWhole("f", filled(1, 1));
    assert.throws(() => vfs.open("f", "write", { direct: true }), failsWith("UNSUPPORTED"));
    assert.deepEqual(await vfs.instance(""), { bootId: "", mountId: "" });
    const lost = await vfs.lock("lock", "exclusive");
    vfs.loseLocks();
    await vfs.lock("lock", "exclusive");
    await lost.release();
    assert.throws(() => vfs.lock("lock", "shared"), failsWith("BUSY"));
    assert.throws(() => vfs.open("lock", "read"), ContractViolation);
  });
});

describe("the simulated clock", () => {
  it("fires timers in the order they come due, those set on the way too", () => {
    const clock = simulatedClock(1000);
    const fired: [string, number][] = [];
    const fire = (name: string) => () => void fired.push([name, clock.monotonic()]);
    clock.setTimer(fire("c"), 30);
    clock.setTimer(() => {
      fire("a")();
      clock.setTimer(fire("b"), 5);
    }, 10);
    const cleared = clock.setTimer(fire("never"), 12);
    clock.setTimer(fire("d"), 30);
    clock.clearTimer(cleared);
    assert.equal(clock.nextTimerMs, 10);
    clock.advance(30);
    assert.deepEqual(fired, [["a", 10], ["b", 15], ["c", 30], ["d", 30]]);
    assert.equal(clock.timersPending, 0);
    clock.jump(-500);
    assert.deepEqual([clock.now(), clock.monotonic()], [530, 30]);
    assert.throws(() => clock.setTimer(fire("x"), Infinity), RangeError);
  });
});

describe("seeded random", () => {
  it("repeats from its seed and spreads evenly", () => {
    const numbers = (seed: number) =>
      Array.from({ length: 8 }, ((random) => () => random.nextU32())(seededRandom(seed)));
    assert.deepEqual(numbers(7), numbers(7));
    assert.notDeepEqual(numbers(7), numbers(8));
    assert.notDeepEqual(numbers(7), numbers(7 + 2 ** 32));
    const random = seededRandom(3);
    const counts = new Array<number>(10).fill(0);
    for (let i = 0; i < 10_000; i++) counts[random.below(10)]++;
    assert.ok(counts.every((count) => count > 850 && count < 1150), String(counts));
    assert.deepEqual(random.shuffle([1, 2, 3, 4]).sort(), [1, 2, 3, 4]);
    const copy = random.clone();
    const bytes = [new Uint8Array(7), new Uint8Array(7)];
    random.fill(bytes[0]);
    copy.fill(bytes[1]);
    assert.deepEqual(bytes[0], bytes[1]);
    assert.ok(!random.chance(0) && random.chance(1));
  });
});

describe("what a directory was seen to hold", () => {
  it("stays as it was, whatever becomes of its files", async () => {
    const [vfs, file] = await machineWith(filled(4, 1));
    await file.write(filled(4, 2), 4);
    const read = (): number[] => [...vfs.readDirectory("d").get("f")!];
    const seen: [Uint8Array, number[]][] = [];
    const look = (): void => void seen.push([vfs.readDirectory("d").get("f")!, read()]);
    const changes = [
      () => file.write(filled(3, 3), 8),
      () => file.write(filled(3, 4), 6),
      () => file.truncate(7),
      () => file.write(filled(1000, 5), 7),
      () => file.truncate(20),
      () => file.truncate(30),
      () => file.write(filled(1, 6), 0),
    ];
    for (const change of changes) {
      look();
      await change();
    }
    look();
    for (const [bytes, held] of seen) assert.deepEqual([...bytes], held);
    assert.deepEqual(read(), [6, 1, 1, 1, 2, 2, 4, ...filled(13, 5), ...filled(10, 0)]);
    assert.equal(new Set(seen.map(([, held]) => held.join())).size, seen.length);
    // A clone shares memory with the machine that it was taken of.
    const twin = vfs.snapshot().boot();
    await file.write(filled(1, 7), 30);
    const other = await twin.open("d/f", "write");
    await other.write(filled(1, 8), 30);
    assert.deepEqual([read()[30], [...twin.readWhole("d/f")][30]], [7, 8]);
  });
});
