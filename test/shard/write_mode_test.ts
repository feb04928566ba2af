/** The choice between the page cache and direct writes, from what both are seen to do. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { runtimeVfs } from "../../adapters/runtime.ts";
import type { DirectIo } from "../../src/options.ts";
import { KnownDisk, knownDisk, type WriteMode } from "../../src/shard/known_disk.ts";
import { WriteModeChoice } from "../../src/shard/write_mode.ts";
import { ManualClock } from "./manual_clock.ts";

const MEBIBYTE = 1024 * 1024;
const BODY = 4 * MEBIBYTE;

/** A disk on which each mode has a speed, in MiB a millisecond. */
class Disk {
  readonly clock: ManualClock = new ManualClock();
  readonly choice: WriteModeChoice;
  readonly speed: Record<WriteMode, number> = { cached: 4, direct: 2 };

  constructor(directIo: DirectIo = "auto", isSynced = false, known?: KnownDisk) {
    this.choice = new WriteModeChoice(this.clock, directIo, isSynced, known);
  }

  /** Writes so many MiB, body by body, and answers how many of them went past the page cache. */
  write(mebibytes: number): number {
    let direct = 0;
    for (let written = 0; written < mebibytes; written += BODY / MEBIBYTE) {
      this.choice.begun();
      const mode = this.choice.choose(BODY);
      this.clock.ms += BODY / MEBIBYTE / this.speed[mode];
      this.choice.ended(BODY, mode);
      if (mode === "direct") direct += BODY / MEBIBYTE;
    }
    return direct;
  }
}

describe("the choice of a write's mode", () => {
  it("is what the option says, whatever is measured", () => {
    for (const [directIo, isSynced, direct] of [[true, false, 256], [false, false, 0], [false, true, 0]] as const) {
      const disk = new Disk(directIo, isSynced);
      disk.speed.direct = directIo ? 0.1 : 100;
      assert.equal(disk.write(256), direct);
    }
  });

  it("is direct where writes are synced anyway, but for small ones", () => {
    const { choice } = new Disk("auto", true);
    assert.deepEqual([choice.choose(BODY), choice.choose(255 * 1024)], ["direct", "cached"]);
    assert.equal(new Disk(true).choice.choose(1), "direct", "without a choice a small one is direct as well");
  });

  it("leaves a burst alone, tries direct writes behind it, and goes back where they are slower", () => {
    const disk = new Disk();
    assert.equal(disk.write(1024), 0);
    assert.equal(disk.write(512), 128, "a trial of 128 MiB");
    assert.equal(disk.choice.choose(BODY), "cached");
  });

  it("goes past a page cache that slows down, and is patient with a disk that is still busy with it", () => {
    const disk = new Disk();
    assert.equal(disk.write(256), 0);
    disk.speed.cached = 1;
    disk.speed.direct = 0.5;
    assert.ok(disk.write(1024) >= 1024 - 128);
    disk.speed.direct = 2;
    assert.ok(disk.write(8 * 1024) === 8 * 1024);
  });

  it("goes back to a page cache that has slowed down where direct writes never are faster", () => {
    const disk = new Disk();
    disk.write(256);
    disk.speed.cached = 1;
    disk.speed.direct = 0.5;
    assert.equal(disk.write(6 * 1024), 4 * 1024);
    assert.equal(disk.choice.choose(BODY), "cached");
  });

  it("stays with direct writes where they are faster, and leaves them once they are not", () => {
    const disk = new Disk();
    disk.speed.direct = 8;
    assert.equal(disk.write(1536), 512, "all behind the burst");
    disk.speed.direct = 1;
    // Slower than what was measured of the page cache: the next window changes it.
    assert.ok(disk.write(512) <= 256);
    assert.equal(disk.choice.choose(BODY), "cached");
  });

  it("begins with direct writes after a pause, and in other logs, where they were faster", () => {
    const known = new KnownDisk();
    const disk = new Disk("auto", false, known);
    disk.speed.direct = 8;
    disk.write(1536);
    disk.clock.ms += 1000;
    assert.equal(disk.write(64), 64);
    assert.equal(new Disk("auto", false, known).choice.choose(BODY), "direct");
    assert.equal(new Disk(false, false, known).choice.choose(BODY), "cached", "the option counts");
    assert.equal(new Disk().choice.choose(BODY), "cached", "another disk");
  });

  it("begins again in the page cache after a pause, where it only had slowed down", () => {
    const disk = new Disk();
    disk.write(256);
    disk.speed.cached = 1;
    assert.ok(disk.write(5 * 1024) >= 5 * 1024 - 256);
    disk.clock.ms += 999;
    disk.write(BODY / MEBIBYTE);
    assert.equal(disk.choice.choose(BODY), "direct");
    disk.clock.ms += 1000;
    disk.speed.cached = 4;
    assert.equal(disk.write(256), 0);
  });

  it("notices in short bursts that direct writes have become slow, and tries them again later", () => {
    const known = new KnownDisk();
    const disk = new Disk("auto", false, known);
    disk.speed.direct = 8;
    disk.write(1536);
    disk.speed.direct = 0.5;
    let direct = 0;
    for (let burst = 0; burst < 32; burst++) {
      disk.clock.ms += 2000;
      direct += disk.write(32);
    }
    assert.ok(direct <= 256, `${direct} MiB at the slow disk's speed`);
    assert.equal(known.first, "cached");
    disk.speed.direct = 8;
    disk.write(1024);
    assert.equal(known.first, "direct");
  });

  it("counts towards a trial what earlier loads and other logs have written", () => {
    const known = new KnownDisk();
    for (let load = 0; load < 4; load++) assert.equal(new Disk("auto", false, known).write(256), 0, `load ${load}`);
    const disk = new Disk("auto", false, known);
    disk.speed.direct = 8;
    assert.ok(disk.write(512) >= 256);
    assert.equal(known.first, "direct");
  });

  it("is known by its mount, for each file system interface", () => {
    const vfs = runtimeVfs();
    const instance = { bootId: "b", mountId: "m" };
    assert.equal(knownDisk(vfs, instance), knownDisk(runtimeVfs(), instance));
    assert.notEqual(knownDisk(vfs, instance), knownDisk(vfs, { bootId: "b", mountId: "n" }));
    assert.notEqual(knownDisk(vfs, instance), knownDisk({ ...vfs }, instance));
    const unknown = { bootId: "", mountId: "" };
    assert.notEqual(knownDisk(vfs, unknown), knownDisk(vfs, unknown));
  });

  it("does not change for a difference that may be chance", () => {
    const disk = new Disk();
    disk.speed.direct = 4.2;
    assert.equal(disk.write(1536), 128);
    assert.equal(disk.choice.choose(BODY), "cached");
  });

  it("tries again after more and more bytes, and finds a disk that has changed", () => {
    const disk = new Disk();
    // One trial after 1 GiB, one after 2 more, one after 4 more.
    assert.equal(disk.write(8 * 1024), 3 * 128);
    disk.speed.direct = 8;
    assert.ok(disk.write(12 * 1024) > 2 * 1024);
    assert.equal(disk.choice.choose(BODY), "direct");
  });

  it("goes by the time in which anything was written, and counts no body of the mode before", () => {
    const disk = new Disk();
    const { choice, clock } = disk;
    // Begun through the page cache, ended while direct writes are on trial.
    choice.begun();
    disk.write(1024);
    assert.equal(choice.choose(BODY), "direct");
    clock.ms += 10_000;
    choice.ended(BODY, "cached");
    clock.ms += 900;
    disk.speed.direct = 8;
    assert.equal(disk.write(512), 512, "the idle time says nothing about direct writes");
  });

  it("counts no small writes, and none that took no time", () => {
    const { choice } = new Disk();
    for (let i = 0; i < 1000; i++) {
      choice.begun();
      choice.ended(100 * 1024, "cached");
      choice.begun();
      choice.ended(BODY, "cached");
    }
    assert.equal(choice.choose(BODY), "cached");
  });

  it("is the page cache from the moment direct writes are refused", () => {
    const disk = new Disk();
    disk.speed.direct = 8;
    disk.write(1280);
    assert.equal(disk.choice.choose(BODY), "direct");
    disk.choice.refuse();
    assert.equal(disk.write(512), 0);
  });
});
