/** The simulated file system: what each kind of crash and fault leaves behind, and that a seed repeats it. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Fault, MemoryOptions } from "../../adapters/memory.ts";
import {
  ContractViolation,
  MemoryVfs,
  memoryVfs,
  seededRandom,
  simulatedClock,
  SimulatedCrash,
} from "../../adapters/memory.ts";
import type { VfsFile } from "../../src/vfs.ts";
import { VfsError } from "../../src/vfs.ts";

const SECTOR_BYTES = 512;

function filled(length: number, byte: number): Uint8Array {
  return new Uint8Array(length).fill(byte);
}

/** A machine with a durable, synced file `d/f` that holds `content`. */
async function machineWith(content: Uint8Array, options: MemoryOptions = {}): Promise<[MemoryVfs, VfsFile]> {
  const vfs = memoryVfs(options);
  vfs.writeWhole("d/f", content);
  return [vfs, await vfs.open("d/f", "write")];
}

function has(vfs: MemoryVfs, path: string): boolean {
  return vfs.paths().includes(path);
}

function failsWith(code: string): (error: unknown) => boolean {
  return (error) => error instanceof VfsError && error.code === code;
}

/** Runs `count` seeds and tells in how many of them `run` answered each thing. */
async function tally(count: number, run: (seed: number) => Promise<string>): Promise<Map<string, number>> {
  const answers = new Map<string, number>();
  for (let seed = 0; seed < count; seed++) {
    const answer = await run(seed).catch((error) => {
      throw new Error(`seed ${seed}: ${error.message}`, { cause: error });
    });
    answers.set(answer, (answers.get(answer) ?? 0) + 1);
  }
  return answers;
}

describe("a process crash", () => {
  it("keeps every completed write, frees locks and ends handles", async () => {
    const vfs = memoryVfs();
    await vfs.makeDirectory("d");
    const file = await vfs.open("d/f", "create");
    await file.write(filled(10, 1), 5);
    await vfs.lock("d/lock", "exclusive");
    const before = await vfs.instance("d");
    const next = vfs.crash("process");
    assert.deepEqual(next.readWhole("d/f"), Uint8Array.of(0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1));
    assert.deepEqual(await next.instance("d"), before);
    await next.lock("d/lock", "exclusive");
    assert.throws(() => file.size(), SimulatedCrash);
    assert.throws(() => vfs.list("d"), SimulatedCrash);
  });

  it("leaves a write in flight wholly, not at all, or as a prefix", async () => {
    const found = await tally(100, async (seed) => {
      const [vfs, file] = await machineWith(filled(100, 1), { seed, async: true, auto: false });
      await Promise.resolve();
      Promise.resolve(file.write(filled(50, 2), 75)).catch(() => {});
      const content = vfs.crash("process").readWhole("d/f");
      const landed = content.indexOf(2) < 0 ? 0 : content.lastIndexOf(2) + 1 - 75;
      assert.ok(content.subarray(0, 75).every((byte) => byte === 1));
      assert.ok(content.subarray(75, 75 + landed).every((byte) => byte === 2));
      assert.equal(content.length, Math.max(100, 75 + landed));
      return landed === 0 ? "nothing" : landed === 50 ? "all" : "prefix";
    });
    assert.deepEqual([...found.keys()].sort(), ["all", "nothing", "prefix"]);
  });
});

describe("a power loss", () => {
  it("never takes synced bytes of a synced entry, and gives the machine a new boot id", async () => {
    await tally(300, async (seed) => {
      const vfs = memoryVfs({ seed });
      await vfs.makeDirectory("d");
      await vfs.syncDirectory("");
      const file = await vfs.open("d/f", "create");
      await vfs.syncDirectory("d");
      await file.write(filled(700, 1), 0);
      await file.sync();
      await file.write(filled(5000, 2), 700);
      const before = await vfs.instance("d");
      const next = vfs.crash("power");
      assert.deepEqual(next.readWhole("d/f").subarray(0, 700), filled(700, 1));
      assert.notEqual((await next.instance("d")).bootId, before.bootId);
      return "";
    });
  });

  it("may take a synced file whose directory was not synced, and a synced directory whose parent was not", async () => {
    const found = await tally(100, async (seed) => {
      const vfs = memoryVfs({ seed });
      await vfs.makeDirectory("a/b");
      const file = await vfs.open("a/b/f", "create");
      await file.write(filled(3, 1), 0);
      await file.sync();
      if (seed % 2 === 0) await vfs.syncDirectory("a/b");
      const next = vfs.crash("power");
      if (has(next, "a/b/f")) assert.deepEqual(next.readWhole("a/b/f"), filled(3, 1));
      return `${seed % 2 === 0 ? "synced" : "unsynced"} ${has(next, "a/b/f") ? "stays" : "vanishes"}`;
    });
    assert.equal(found.size, 4, [...found.keys()].join());
  });

  it("leaves a rename old or new, and a remove done or undone", async () => {
    const found = await tally(100, async (seed) => {
      const [vfs] = await machineWith(filled(4, 1), { seed });
      vfs.writeWhole("d/tmp", filled(4, 2));
      vfs.writeWhole("d/old", filled(4, 3));
      await vfs.rename("d/tmp", "d/f");
      await vfs.remove("d/old");
      const next = vfs.crash("power");
      const isNew = next.readWhole("d/f")[0] === 2;
      assert.deepEqual(next.readWhole("d/f"), filled(4, isNew ? 2 : 1));
      assert.equal(has(next, "d/tmp"), !isNew);
      return `${isNew} ${has(next, "d/old")}`;
    });
    assert.equal(found.size, 4, [...found.keys()].join());
  });

  it("shows every way to lose an append: cut, zeros, garbage, holes, stale bytes", async () => {
    const found = await tally(2000, async (seed) => {
      const [vfs, file] = await machineWith(filled(1000, 1), { seed });
      await file.truncate(600);
      await file.sync();
      await file.write(filled(4000, 2), 600);
      await file.write(filled(4000, 3), 4600);
      const content = vfs.crash("power").readWhole("d/f");
      assert.ok(content.length >= 600 && content.length <= 8600);
      const tail = content.subarray(600);
      if (tail.every((byte, i) => byte === (i < 4000 ? 2 : 3))) return "prefix";
      if (tail.some((byte) => byte > 3)) return "garbage";
      if (tail.includes(1)) return "stale";
      if (tail.indexOf(2) < 0 && tail.includes(3)) return "only the second";
      if (tail.every((byte) => byte === 0)) return "zeros";
      return "holes";
    });
    assert.equal(found.size, 6, [...found.keys()].join());
  });

  it("keeps an unsynced truncate or undoes it", async () => {
    const sizes = await tally(60, async (seed) => {
      const [vfs, file] = await machineWith(filled(2000, 1), { seed });
      await file.truncate(900);
      const content = vfs.crash("power").readWhole("d/f");
      assert.deepEqual(content.subarray(0, 900), filled(900, 1));
      return String(content.length);
    });
    assert.deepEqual([...sizes.keys()].sort(), ["2000", "900"]);
  });

  /** Random rewrites and appends over a synced file. Answers how many synced sectors came out as neither old nor new. */
  async function brokenSectors(seed: number, options: MemoryOptions): Promise<number> {
    const random = seededRandom(seed);
    const synced = new Uint8Array(1000 + random.below(3000));
    random.fill(synced);
    const [vfs, file] = await machineWith(synced, { seed, ...options });
    const versions = [synced];
    for (let i = 1 + random.below(4); i > 0; i--) {
      const bytes = new Uint8Array(1 + random.below(1500));
      random.fill(bytes);
      const position = random.below(versions[0].length + 1);
      await file.write(bytes, position);
      versions.unshift(vfs.readWhole("d/f"));
    }
    const content = vfs.crash("power").readWhole("d/f");
    assert.ok(content.length >= synced.length);
    let broken = 0;
    for (let start = 0; start < synced.length; start += SECTOR_BYTES) {
      const end = Math.min(start + SECTOR_BYTES, synced.length);
      const sector = String(content.subarray(start, end));
      if (!versions.some((version) => String(version.subarray(start, end)) === sector)) broken++;
    }
    return broken;
  }

  it("leaves a rewritten sector with synced bytes old or new, whole", async () => {
    await tally(2000, async (seed) => {
      assert.equal(await brokenSectors(seed, {}), 0);
      return "";
    });
  });

  it("breaks such sectors when it is strict", async () => {
    const found = await tally(
      200,
      async (seed) => await brokenSectors(seed, { strict: true }) > 0 ? "broken" : "whole",
    );
    assert.equal(found.size, 2);
  });

  it("follows the weights it is given", async () => {
    await tally(50, async (seed) => {
      const crash = { weights: { kept: 1 }, sizeBehind: 0, entriesKept: 1 };
      const vfs = memoryVfs({ seed, crash });
      const file = await vfs.open("f", "create");
      await file.write(filled(900, 1), 0);
      const next = vfs.crash("power");
      assert.deepEqual(next.readWhole("f"), filled(900, 1));
      assert.deepEqual({ ...next.report.powerLoss.writes, kept: 0 }, memoryVfs().report.powerLoss.writes);
      return "";
    });
  });

  it("gives the same result for the same seed", async () => {
    const run = async (seed: number): Promise<string> => {
      const vfs = memoryVfs({ seed, async: 0.5 });
      const file = await vfs.open("f", "create");
      await Promise.all([0, 1, 2, 3].map((i) => file.write(filled(600, i + 1), i * 600)));
      Promise.resolve(file.write(filled(600, 9), 3000)).catch(() => {});
      const next = vfs.crash("power");
      const content = has(next, "f") ? String(next.readWhole("f")) : "";
      return `${JSON.stringify(next.report)} ${content} ${JSON.stringify(await next.instance(""))}`;
    };
    const all = await tally(30, run);
    assert.equal(all.size, 30);
    for (const answer of (await tally(30, run)).keys()) assert.ok(all.has(answer));
  });
});

describe("a fault", () => {
  const injected: [fault: Fault, content: number[]][] = [
    [{ kind: "errorBefore", code: "PERMISSION" }, [1, 1, 1, 1]],
    [{ kind: "errorAfter", code: "PERMISSION" }, [2, 2, 2, 2, 2, 2]],
    [{ kind: "shortWrite", bytes: 0, code: "PERMISSION" }, [1, 1, 1, 1]],
    [{ kind: "shortWrite", bytes: 1, code: "PERMISSION" }, [2, 1, 1, 1]],
    [{ kind: "shortWrite", bytes: "half", code: "PERMISSION" }, [2, 2, 2, 1]],
    [{ kind: "shortWrite", bytes: "allButOne", code: "PERMISSION" }, [2, 2, 2, 2, 2]],
  ];
  for (const [fault, content] of injected) {
    it(`${JSON.stringify(fault)} strikes the planned write once`, async () => {
      const [vfs, file] = await machineWith(filled(4, 1));
      vfs.plan({ operation: { kind: "write", path: /f$/ }, fault });
      assert.throws(() => file.write(filled(6, 2), 0), failsWith("PERMISSION"));
      assert.deepEqual([...vfs.readWhole("d/f")], content);
      await file.write(filled(1, 3), 0);
      assert.equal(vfs.report.faults[fault.kind], 1);
    });
  }

  it("strikes the numbered operation, then as often as planned", async () => {
    const [vfs, file] = await machineWith(filled(4, 1));
    vfs.plan({ operation: 3, times: 2, fault: { kind: "errorBefore" } });
    await file.size();
    assert.throws(() => file.size(), failsWith("IO"));
    assert.throws(() => vfs.list("d"), failsWith("IO"));
    await file.size();
    assert.equal(vfs.operations, 5);
  });

  it("is refused where it means nothing, and counted where it does not fit", async () => {
    const [vfs, file] = await machineWith(filled(4, 1));
    assert.throws(() => vfs.plan({ operation: { kind: "open" }, fault: { kind: "lyingSync" } }), TypeError);
    vfs.plan({ operation: 2, fault: { kind: "lyingSync" } });
    await file.size();
    assert.equal(vfs.report.faults.unfit, 1);
  });

  it("by chance strikes some of the operations it is meant for", async () => {
    const faults = { probability: 0.5, faults: [{ kind: "errorBefore" } as const], on: { kind: "write" } as const };
    const [vfs, file] = await machineWith(filled(4, 1), { faults });
    let failed = 0;
    for (let i = 0; i < 100; i++) {
      await file.sync();
      try {
        await file.write(filled(1, 2), 0);
      } catch {
        failed++;
      }
    }
    assert.ok(failed > 20 && failed < 80, String(failed));
    assert.equal(vfs.report.faults.errorBefore, failed);
  });

  it("flips one bit of one read", async () => {
    const [vfs, file] = await machineWith(filled(4, 0));
    vfs.plan({ operation: { kind: "read" }, fault: { kind: "flippedBit", bit: 10 } });
    const into = new Uint8Array(4);
    await file.read(into, 0);
    assert.deepEqual([...into], [0, 4, 0, 0]);
    await file.read(into, 0);
    assert.deepEqual([...into], [0, 0, 0, 0]);
  });

  /** Writes with the fault, syncs twice, loses power. */
  async function afterSyncs(fault: Fault, kind: "write" | "sync"): Promise<{ seen: number[]; left: number[] }> {
    const [vfs, file] = await machineWith(filled(4, 1), { crash: { weights: { dropped: 1 }, sizeBehind: 0 } });
    vfs.plan({ operation: { kind }, fault });
    await file.write(filled(2, 2), 0);
    if (fault.kind === "lostSync") assert.throws(() => file.sync(), failsWith("IO"));
    else await file.sync();
    if (fault.kind !== "lyingSync") await file.sync();
    const seen = [...vfs.readWhole("d/f")];
    return { seen, left: [...vfs.crash("power").readWhole("d/f")] };
  }

  it("of a sync that fails leaves writes visible that no later sync makes durable", async () => {
    assert.deepEqual(await afterSyncs({ kind: "lostSync" }, "sync"), { seen: [2, 2, 1, 1], left: [1, 1, 1, 1] });
  });

  it("of a sync that lies leaves nothing durable", async () => {
    assert.deepEqual(await afterSyncs({ kind: "lyingSync" }, "sync"), { seen: [2, 2, 1, 1], left: [1, 1, 1, 1] });
  });

  it("of a write that is lost or misdirected shows after the power loss", async () => {
    assert.deepEqual(await afterSyncs({ kind: "lostWrite" }, "write"), { seen: [2, 2, 1, 1], left: [1, 1, 1, 1] });
    const misdirected: Fault = { kind: "misdirectedWrite", byBytes: 1 };
    assert.deepEqual(await afterSyncs(misdirected, "write"), { seen: [2, 2, 1, 1], left: [1, 2, 2, 1] });
  });

  it("of a directory sync leaves the entry to chance or takes it", async () => {
    const vfs = memoryVfs({ crash: { entriesKept: 1 } });
    await vfs.open("a", "create");
    vfs.plan({ operation: { kind: "syncDirectory" }, fault: { kind: "lostSync" } });
    assert.throws(() => vfs.syncDirectory(""), failsWith("IO"));
    await vfs.open("b", "create");
    await vfs.syncDirectory("");
    assert.deepEqual(vfs.paths(), ["a", "b"]);
    assert.deepEqual(vfs.crash("power").paths(), ["b"]);
  });

  it("of a lock does not leave it held", async () => {
    const vfs = memoryVfs();
    vfs.plan({ operation: { kind: "lock" }, fault: { kind: "errorAfter" } });
    assert.throws(() => vfs.lock("lock", "exclusive"), failsWith("IO"));
    await vfs.lock("lock", "exclusive");
  });

  it("of a full disk lasts until there is room again", async () => {
    const [vfs, file] = await machineWith(filled(4, 1), { capacityBytes: 10 });
    assert.throws(() => file.write(filled(10, 2), 2), failsWith("NO_SPACE"));
    assert.equal(await file.size(), 10);
    await file.write(filled(10, 3), 0);
    assert.throws(() => file.write(filled(1, 3), 10), failsWith("NO_SPACE"));
    vfs.capacityBytes = Infinity;
    await file.write(filled(1, 3), 10);
    assert.deepEqual(vfs.readWhole("d/f"), filled(11, 3));
  });
});

describe("a machine that stops at operation N", () => {
  /** Answers the operations it took, or stops half way. */
  async function work(vfs: MemoryVfs): Promise<void> {
    await vfs.makeDirectory("d");
    const file = await vfs.open("d/f", "create");
    await file.write(filled(3, 1), 0);
    await file.sync();
    await vfs.syncDirectory("d");
    await file.close();
  }

  for (const async of [false, true]) {
    it(`throws from there on and can be crashed at each operation${async ? " in flight" : ""}`, async () => {
      for (let n = 1;; n++) {
        const vfs = memoryVfs({ seed: n, async });
        vfs.crashAt(n);
        const error = await work(vfs).then(() => undefined, (reason) => reason);
        if (error === undefined) {
          assert.equal(vfs.operations, 6);
          assert.equal(n, 7);
          return;
        }
        assert.ok(error instanceof SimulatedCrash);
        assert.ok(vfs.stopped);
        assert.equal(vfs.operations, n);
        const next = vfs.crash("process");
        if (n > 3) assert.equal(next.readWhole("d/f").length, 3);
        assert.equal(next.operations, 0);
      }
    });
  }

  it("lets the last operation take effect or not", async () => {
    const found = await tally(40, async (seed) => {
      const [vfs] = await machineWith(filled(1, 1), { seed });
      vfs.crashAt(2);
      assert.throws(() => vfs.remove("d/f"), SimulatedCrash);
      return String(has(vfs.crash("process"), "d/f"));
    });
    assert.equal(found.size, 2);
  });

  it("never answers when it is told to hang", async () => {
    const [vfs, file] = await machineWith(filled(1, 1), { stop: "hang", async: true, auto: false });
    const answers: string[] = [];
    const listen = (name: string, answer: unknown) => Promise.resolve(answer).finally(() => answers.push(name));
    listen("in flight", file.write(filled(1, 2), 0));
    vfs.crashAt(3);
    const stopped = vfs.whenStopped();
    listen("at the stop", file.sync());
    await stopped;
    listen("later", vfs.list("d"));
    vfs.crash("power");
    for (let i = 0; i < 50; i++) await Promise.resolve();
    assert.deepEqual(answers, []);
  });
});

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
    const [vfs, file] = await machineWith(filled(4, 1));
    vfs.plan({ operation: { kind: "write" }, fault: { kind: "delay", turns: 20 } });
    const slow = file.write(filled(1, 2), 0);
    await file.write(filled(1, 3), 1);
    await file.sync();
    assert.equal(vfs.inFlight, 1);
    await slow;
    assert.deepEqual([...vfs.readWhole("d/f")], [2, 3, 1, 1]);
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
    const states = await tally(100, async (seed) => {
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
