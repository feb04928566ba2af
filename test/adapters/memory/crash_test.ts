/** What a process crash and a power loss leave behind, and that a seed repeats it. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { MemoryOptions } from "../../../adapters/memory.ts";
import { memoryVfs, seededRandom, SimulatedCrash } from "../../../adapters/memory.ts";
import { filled, has, machineWith, tally } from "./support.ts";

const SECTOR_BYTES = 512;

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
      const [vfs, file] = await machineWith(filled(100, 1), { seed });
      vfs.plan({ operation: { kind: "write" }, fault: { kind: "delay", turns: 9 } });
      Promise.resolve(file.write(filled(50, 2), 75)).catch(() => {});
      assert.equal(vfs.readWhole("d/f").indexOf(2), -1);
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

  it("leaves a file that was renamed twice under one of its names", async () => {
    const found = await tally(100, async (seed) => {
      const [vfs] = await machineWith(filled(4, 1), { seed });
      await vfs.rename("d/f", "d/g");
      await vfs.rename("d/g", "d/h");
      return vfs.crash("power").paths().join();
    });
    assert.deepEqual([...found.keys()].sort(), ["d/f", "d/g", "d/h"]);
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

  /**
   * Random writes and truncates over a synced file. Answers how many sectors with synced bytes came out as
   * neither old nor new.
   */
  async function brokenSectors(seed: number, options: MemoryOptions): Promise<number> {
    const random = seededRandom(seed);
    const synced = new Uint8Array(1000 + random.below(3000));
    random.fill(synced);
    const [vfs, file] = await machineWith(synced, { seed, ...options });
    const versions: Uint8Array[] = [synced];
    for (let i = 1 + random.below(4); i > 0; i--) {
      const size = versions[0].length;
      if (random.chance(0.2)) {
        await file.truncate(random.below(size + 1000));
      } else {
        const bytes = new Uint8Array(1 + random.below(1500));
        random.fill(bytes);
        await file.write(bytes, random.below(size + 1));
      }
      versions.unshift(vfs.readWhole("d/f"));
    }
    const content = vfs.crash("power").readWhole("d/f");
    assert.ok(content.length >= Math.min(...versions.map((version) => version.length)));
    assert.ok(content.length <= Math.max(...versions.map((version) => version.length)));
    let broken = 0;
    for (let start = 0; start < Math.min(synced.length, content.length); start += SECTOR_BYTES) {
      const end = Math.min(start + SECTOR_BYTES, content.length);
      // What lies behind the end of a version counts as zeros.
      const isVersion = (version: Uint8Array) => {
        for (let at = start; at < end; at++) if (content[at] !== (version[at] ?? 0)) return false;
        return true;
      };
      if (!versions.some(isVersion)) broken++;
    }
    return broken;
  }

  it("leaves a rewritten sector with synced bytes old or new, whole", async () => {
    await tally(2000, async (seed) => {
      assert.equal(await brokenSectors(seed, {}), 0);
      return "";
    });
  });

  it("leaves such a sector whole where the write to it is in flight, or was seen before it ended", async () => {
    const found = await tally(1000, async (seed) => {
      const [vfs, file] = await machineWith(filled(512, 1), { seed, async: 1 });
      const first = Promise.resolve(file.write(filled(512, 2), 0)).catch(() => {});
      if (seed % 2 === 0) await first;
      const content = vfs.crash("power").readWhole("d/f");
      assert.ok(content.every((byte) => byte === content[0]), "half of a sector");
      return content[0] === 1 ? "old" : "new";
    });
    assert.equal(found.size, 2);
  });

  it("breaks such sectors when it is strict", async () => {
    const found = await tally(
      200,
      async (seed) => await brokenSectors(seed, { strict: true }) > 0 ? "broken" : "whole",
    );
    assert.equal(found.size, 2);
  });

  it("changes nothing where everything is kept", async () => {
    const crash = { weights: { kept: 1 }, sizeBehind: 0 };
    await tally(20, async (seed) => {
      const [vfs, file] = await machineWith(filled(2000, 1), { seed, crash });
      await file.truncate(600);
      await file.write(filled(10, 2), 1700);
      await file.truncate(3000);
      const before = vfs.readWhole("d/f");
      assert.deepEqual(vfs.crash("power").readWhole("d/f"), before);
      return "";
    });
  });

  it("spares what the kernel wrote back on its own", async () => {
    const [vfs, file] = await machineWith(filled(4, 1), { crash: { weights: { dropped: 1 }, sizeBehind: 0 } });
    for (let i = 0; i < 4097; i++) await file.write(filled(1, i < 2048 ? 2 : 3), i);
    const content = vfs.crash("power").readWhole("d/f");
    assert.deepEqual(content.subarray(0, 2048), filled(2048, 2));
    assert.ok(!content.includes(3));
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
