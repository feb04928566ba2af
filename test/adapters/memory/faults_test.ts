/** What each fault does, and a machine that stops at any operation. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Fault, MemoryVfs } from "../../../adapters/memory.ts";
import { memoryVfs, SimulatedCrash } from "../../../adapters/memory.ts";
import { failsWith, filled, has, machineWith, tally } from "./support.ts";

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
    const again = await vfs.crash("process").open("d/f", "write");
    await again.write(filled(1, 3), 11);
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
