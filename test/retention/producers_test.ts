/** Segments are dropped, and what their producers have written is still known: nothing that is sent again is taken twice. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type MemoryVfs, memoryVfs, seededRandom, type SimulatedClock, simulatedClock } from "../../adapters/memory.ts";
import { noCodecs } from "../../src/batch/codecs.ts";
import { LogError } from "../../src/errors.ts";
import type { EmbeddedLog } from "../../src/log/log.ts";
import { openWith } from "../../src/log/open.ts";
import type { RetentionOptions } from "../../mod.ts";
import { produced, send } from "../idempotence/batches.ts";
import { fails, until } from "../helpers.ts";

const DIRECTORY = "/d/log";

interface Machine {
  vfs: MemoryVfs;
  readonly clock: SimulatedClock;
  open(retention?: RetentionOptions): Promise<EmbeddedLog>;
  bases(): number[];
  snapshots(): number[];
}

function machine(): Machine {
  const clock = simulatedClock();
  const names = (vfs: MemoryVfs, ending: string): number[] =>
    [...vfs.readDirectory(`${DIRECTORY}/t-0`, (name) => name.endsWith(ending)).keys()].map((name) => parseInt(name));
  return {
    vfs: memoryVfs({ seed: 3 }),
    clock,
    open(retention) {
      const engine = { vfs: this.vfs, clock, random: seededRandom(7).fill, codecs: noCodecs };
      return openWith(engine, DIRECTORY, {
        topic: "t",
        segmentBytes: 1024,
        flushIntervalMs: Infinity,
        ...(retention === undefined ? {} : { retention: { checkIntervalMs: 1000, ...retention } }),
      });
    },
    bases() {
      return names(this.vfs, ".log");
    },
    snapshots() {
      return names(this.vfs, ".snapshot");
    },
  };
}

/** Producer 7 writes batches of a record, and others fill the segments. */
async function produce(log: EmbeddedLog, from: number, to: number, rung: "os" | "disk" = "disk"): Promise<number[]> {
  const shard = log.shard(0);
  const bases: number[] = [];
  for (let sequence = from; sequence < to; sequence++) {
    bases.push(await send(shard, produced(7, 0, sequence)));
    shard.tryAppend({ value: "x".repeat(300) });
    await shard.flush(rung);
  }
  return bases;
}

const rest = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 2));

/** The last five batches are there, each one once, and anything else is refused. */
async function expectKnown(log: EmbeddedLog, bases: readonly number[]): Promise<void> {
  const shard = log.shard(0);
  const end = shard.nextOffset;
  const { length } = bases;
  for (let sequence = length - 5; sequence < length; sequence++) {
    assert.equal(await send(shard, produced(7, 0, sequence)), bases[sequence], `sequence ${sequence}`);
  }
  await assert.rejects(() => send(shard, produced(7, 0, length + 1)), { reason: "OUT_OF_ORDER_SEQUENCE_NUMBER" });
  await assert.rejects(() => send(shard, produced(7, 0, 0)), { reason: "DUPLICATE_SEQUENCE_NUMBER" });
  assert.equal(shard.nextOffset, end);
}

describe("retention, and producers", () => {
  it("knows a batch that a crash left although nobody was told of it", async () => {
    const on = machine();
    const done: string[] = [];
    on.vfs.onOperation(({ kind, path, target, error }) => {
      if (error === undefined) done.push(`${kind} ${target ?? path}`);
    });
    const log = await on.open();
    log.shard(0).tryAppend({ value: "first" });
    await log.flush();
    on.vfs.plan({ operation: { kind: "write", path: /snapshot/ }, fault: { kind: "delay", turns: 60 } });
    await produce(log, 0, 1);
    // A process that ends behind the body leaves the batch, and by then the note that there are producers.
    const body = done.findLastIndex((operation) => /^write .*\.log$/.test(operation));
    const named = done.findIndex((operation) => /^rename .*\.snapshot$/.test(operation));
    const durable = done.indexOf(`syncDirectory ${DIRECTORY}/t-0`, named);
    assert.ok(0 <= named && named < durable && durable < body, done.join("\n"));
    await log.close();
  });

  for (const how of ["trimBefore", "retention"] as const) {
    it(`keeps the newest snapshots where ${how} drops all segments but the last, and all is known after reopening`, async () => {
      const on = machine();
      const log = await on.open(how === "retention" ? { maxRecords: 1 } : undefined);
      const bases = await produce(log, 0, 20);
      if (how === "trimBefore") await log.shard(0).trimBefore(log.shard(0).nextOffset);
      await until(() => on.bases().length <= 2, "dropped");
      assert.ok(on.bases()[0] > 0);
      assert.ok(on.snapshots().length > 0 && on.snapshots().length <= 4, String(on.snapshots()));
      await expectKnown(log, bases);
      await log.close();
      const again = await on.open();
      assert.ok(again.shard(0).earliest > 0);
      await expectKnown(again, bases);
      // A name that was dropped with all of its records goes on where it was.
      const named = await again.idempotentProducer("never seen");
      assert.equal(named.nextSequence, 0);
      await again.close();
    });
  }

  it("keeps them where the snapshot of a segment was never finished, and retention comes first at the next opening", async () => {
    for (const kind of ["process", "power"] as const) {
      const on = machine();
      const log = await on.open();
      const bases = await produce(log, 0, 3);
      const before = on.snapshots();
      on.vfs.plan({ operation: { kind: "write", path: /snapshot/ }, fault: { kind: "errorBefore" }, times: Infinity });
      bases.push(...await produce(log, 3, 12));
      assert.deepEqual(on.snapshots(), before);
      on.vfs = on.vfs.crash(kind);
      on.vfs.clearFaults();
      await log.close().catch(() => {});
      const again = await on.open({ maxRecords: 1 });
      await until(() => on.bases().length <= 2, "dropped");
      await expectKnown(again, bases);
      await again.close();
    }
  });

  it("says so where the files cannot be listed, and drops nothing", async () => {
    const on = machine();
    const log = await on.open();
    const bases = await produce(log, 0, 12);
    const before = on.bases();
    on.vfs.plan({ operation: { kind: "list", path: /t-0$/ }, fault: { kind: "errorBefore" } });
    const error = await fails("IO", () => log.shard(0).trimBefore(bases[9]));
    assert.match(error.message, /trim shard 0/);
    assert.deepEqual([log.shard(0).earliest, on.bases()], [0, before]);
    assert.equal(await log.shard(0).trimBefore(bases[9]), bases[9]);
    await expectKnown(log, bases);
    await log.close();
  });

  it("waits until what it keeps of producers speaks of nothing that a power loss takes", async () => {
    const on = machine();
    const log = await on.open();
    const bases = await produce(log, 0, 1, "os");
    const stop = on.vfs.plan({
      operation: { kind: "write", path: /snapshot/ },
      fault: { kind: "errorBefore" },
      times: Infinity,
    });
    bases.push(...await produce(log, 1, 12, "os"));
    stop();
    const shard = log.shard(0);
    assert.ok(shard.synced < shard.written);
    // No snapshot was written at the beginning of any segment: this one is of the end.
    assert.equal(await shard.trimBefore(bases[9]), bases[9]);
    assert.deepEqual([on.snapshots().at(-1), shard.synced], [shard.written, shard.written]);
    on.vfs = on.vfs.crash("power");
    await log.close().catch(() => {});
    const again = await on.open();
    await expectKnown(again, bases);
    await again.close();
  });

  it("drops nothing while what it says of producers can be kept nowhere", async () => {
    const on = machine();
    const log = await on.open({ maxRecords: 1 });
    const told: unknown[] = [];
    await log.close();
    const plan = { operation: { kind: "write" as const, path: /snapshot/ }, fault: { kind: "errorBefore" as const } };
    const second = await on.open({ maxRecords: 1, onError: (error) => told.push(error) });
    const bases = await produce(second, 0, 2);
    const stop = on.vfs.plan({ ...plan, times: Infinity });
    bases.push(...await produce(second, 2, 12));
    await rest();
    const kept = on.bases();
    assert.ok(kept.length > 3, String(kept));
    assert.ok(
      told.length > 0 && told.every((error) => error instanceof LogError && error.code === "IO"),
      String(told[0]),
    );
    stop();
    on.clock.advance(1000);
    await rest();
    on.clock.advance(1000);
    await until(() => on.bases().length < kept.length, "dropped");
    await expectKnown(second, bases);
    // A power loss finds the same.
    on.vfs = on.vfs.crash("power");
    await second.close().catch(() => {});
    const again = await on.open();
    await expectKnown(again, bases);
    await again.close();
  });

  it("trims damaged segments, and then says of a name that nobody can tell", async () => {
    const on = machine();
    const log = await on.open();
    await produce(log, 0, 12);
    await log.close();
    const damaged = on.bases()[1];
    const path = `${DIRECTORY}/t-0/${String(damaged).padStart(20, "0")}`;
    const bytes = on.vfs.readWhole(`${path}.log`).slice();
    bytes[70] ^= 1;
    on.vfs.writeWhole(`${path}.log`, bytes);
    on.vfs.removeWhole(`${path}.idx`);
    for (const at of on.snapshots()) on.vfs.removeWhole(`${DIRECTORY}/t-0/${String(at).padStart(20, "0")}.snapshot`);
    // The oldest snapshot is left: what came between is damaged, and then gone.
    const again = await on.open();
    assert.equal(await again.shard(0).trimBefore(again.shard(0).nextOffset), again.shard(0).nextOffset);
    assert.equal(on.bases().length, 1);
    const error = await again.idempotentProducer("a name").then(() => undefined, (error) => error);
    assert.ok(error instanceof LogError && error.code === "CORRUPT_FILE", String(error));
    await again.close();
  });

  it("knows a batch that came while a roll was reading what an empty shard had known", async () => {
    for (let turns = 0; turns < 40; turns++) {
      const on = machine();
      const log = await on.open();
      // The note that there are producers is durable, their first batch is lost.
      log.shard(0).tryAppendBatch(produced(7, 0, 0));
      await rest();
      on.vfs = on.vfs.crash("process");
      await log.close().catch(() => {});
      const again = await on.open();
      assert.deepEqual([again.shard(0).nextOffset, on.snapshots()], [0, [0]]);
      on.vfs.plan({ operation: { kind: "list" }, fault: { kind: "delay", turns: 60 }, times: Infinity });
      for (let n = 0; n < 4; n++) {
        again.shard(0).tryAppend({ value: "x".repeat(300) });
        await again.flush();
      }
      for (let turn = 0; turn < turns * 3; turn++) await undefined;
      const base = await send(again.shard(0), produced(7, 0, 0));
      await again.flush("disk");
      await rest();
      assert.equal(await send(again.shard(0), produced(7, 0, 0)), base, `after ${turns} turns`);
      await again.close();
    }
  });

  it("counts the segments that there are", async () => {
    const on = machine();
    const log = await on.open({ maxRecords: 8 });
    await produce(log, 0, 20);
    await until(() => log.shard(0).earliest === on.bases()[0], "dropped");
    assert.equal((await log.stats()).total.segments, on.bases().length);
    await log.shard(0).trimBefore(log.shard(0).nextOffset);
    assert.equal((await log.stats()).shards[0].segments, 1);
    await log.close();
    // What a crash left below the log start never counted.
    const old = `${DIRECTORY}/t-0/${"0".padStart(20, "0")}`;
    for (const ending of ["log", "idx"]) on.vfs.writeWhole(`${old}.${ending}`, new Uint8Array(10));
    const again = await on.open();
    assert.equal((await again.stats()).total.segments, 1);
    assert.equal(on.bases().length, 1);
    await again.close();
  });
});
