/** Ready-to-write batches with a producer id: written once, over restarts, crashes, rolls and lost files. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { BACKPRESSURE, BatchBuilder, type Log, type OpenOptions } from "../../mod.ts";
import { CrashError, openMemoryLog } from "../../testing.ts";
import { fails, outcomeOf, reopen, useDirectory, useLog } from "../helpers.ts";
import { produced, send, values } from "./batches.ts";

const OPTIONS: OpenOptions = { topic: "log" };
const SMALL: OpenOptions = { topic: "log", segmentBytes: 1024, flushIntervalMs: Infinity };

function snapshots(directory: string): string[] {
  return readdirSync(join(directory, "log-0")).filter((name) => name.includes("snapshot")).sort();
}

describe("a batch with a producer id", () => {
  it("is numbered by its builder, from the sequence it is given, across the wrap", () => {
    const builder = new BatchBuilder({ producer: { id: 7, epoch: 1, sequence: 2_147_483_646 } });
    for (const expected of [2_147_483_647, 0, 1]) {
      builder.add({ value: "x" });
      builder.finish();
      assert.equal(builder.sequence, expected);
    }
    assert.equal(new BatchBuilder().sequence, undefined);
    for (
      const producer of [{ id: -1, epoch: 0, sequence: 0 }, { id: 0, epoch: 32768, sequence: 0 }, {
        id: 0,
        epoch: 0,
        sequence: 2 ** 31,
      }]
    ) {
      assert.throws(() => new BatchBuilder({ producer }), RangeError);
    }
  });

  it("is taken at once by a new log, and known at once", () =>
    useLog(OPTIONS, async (log) => {
      const shard = log.shard(0);
      assert.equal(shard.tryAppendBatch(produced(9, 0, 0, 3)), 0);
      assert.equal(shard.tryAppendBatch(produced(9, 0, 3, 2)), 3);
      assert.equal(shard.tryAppendBatch(produced(9, 0, 0, 3)), 0);
      assert.equal(await shard.flush(), 5);
    }));

  it("is acknowledged the second time when the first is", () =>
    useLog({ ...OPTIONS, flushIntervalMs: Infinity }, async (log) => {
      const shard = log.shard(0);
      shard.tryAppendBatch(produced(9, 0, 0, 3));
      const again = shard.tryAppendBatch(produced(9, 0, 0, 3)) as number;
      const waiting = shard.acknowledged(again + 2, "disk");
      assert.equal(await outcomeOf(waiting), "pending");
      await shard.flush("disk");
      await waiting;
    }));

  it("with fields that make no sense is refused", () =>
    useLog(OPTIONS, async (log) => {
      for (const [at, byte] of [[43, 0x7f], [51, 0x80], [53, 0xff]]) {
        const blob = produced(9, 0, 0);
        blob[at] = byte;
        await fails("BATCH_INVALID", () => log.shard(0).tryAppendBatch(blob));
      }
    }));

  it("waits once after a restart: then all that are remembered are known", () =>
    useDirectory(async (directory) => {
      await reopen(directory, OPTIONS, async (log) => {
        await send(log.shard(0), produced(9, 0, 0, 3));
        await send(log.shard(0), produced(9, 0, 3, 3));
      });
      await reopen(directory, OPTIONS, async (log) => {
        const shard = log.shard(0);
        assert.equal(shard.tryAppendBatch(produced(9, 0, 3, 3)), BACKPRESSURE);
        await shard.writable();
        assert.equal(shard.tryAppendBatch(produced(9, 0, 3, 3)), 3);
        assert.equal(shard.tryAppendBatch(produced(9, 0, 0, 3)), 0);
        assert.equal(shard.tryAppendBatch(produced(9, 0, 6)), 6);
      });
    }));
});

describe("a shard's producers", () => {
  /** Many batches of three producers over several segments; answers the last batch of each with its offset. */
  async function fill(log: Log, rounds = 30): Promise<void> {
    for (let n = 0; n < rounds; n++) {
      for (const id of [1, 2, 3]) await send(log.shard(0), produced(id, 0, n * id, id));
      log.shard(0).tryAppend({ value: "x".repeat(50) });
      await log.flush();
    }
  }

  async function checkFilled(log: Log, rounds = 30): Promise<void> {
    const end = (await values(log)).length;
    assert.equal(end, rounds * 7);
    for (let back = 1; back <= 5; back++) {
      for (const id of [1, 2, 3]) {
        const n = rounds - back;
        const before = id === 1 ? 0 : id === 2 ? 1 : 3;
        assert.equal(await send(log.shard(0), produced(id, 0, n * id, id)), n * 7 + before);
      }
    }
    const old = await fails("CONFLICT", () => send(log.shard(0), produced(2, 0, (rounds - 6) * 2, 2)));
    assert.equal(old.reason, "DUPLICATE_SEQUENCE_NUMBER");
    assert.equal(log.shard(0).nextOffset, end);
  }

  it("are known again from the snapshot of the last segment and what lies behind it", () =>
    useDirectory(async (directory) => {
      await reopen(directory, SMALL, (log) => fill(log));
      assert.equal(snapshots(directory).length, 3);
      await reopen(directory, SMALL, (log) => checkFilled(log));
    }));

  for (
    const [what, spoil] of [
      ["missing", (path: string) => rmSync(path)],
      [
        "damaged",
        (path: string) => writeFileSync(path, readFileSync(path).map((byte, i) => i === 20 ? byte ^ 4 : byte)),
      ],
      ["empty", (path: string) => writeFileSync(path, "")],
      ["of another name", (path: string) => {
        const directory = path.slice(0, path.lastIndexOf("/"));
        writeFileSync(
          path,
          readFileSync(join(directory, readdirSync(directory).filter((n) => n.endsWith(".snapshot")).sort()[0])),
        );
      }],
    ] as const
  ) {
    for (const count of [1, 3]) {
      it(`are known again where ${count} of the snapshots are ${what}`, () =>
        useDirectory(async (directory) => {
          await reopen(directory, SMALL, (log) => fill(log));
          const names = snapshots(directory);
          for (const name of names.slice(-count).reverse()) spoil(join(directory, "log-0", name));
          await reopen(directory, SMALL, (log) => checkFilled(log));
          await reopen(directory, SMALL, (log) => checkFilled(log));
        }));
    }
  }

  it("are known again without any index", () =>
    useDirectory(async (directory) => {
      await reopen(directory, SMALL, (log) => fill(log));
      for (const name of readdirSync(join(directory, "log-0"))) {
        if (name.endsWith(".idx") || name.endsWith(".snapshot")) rmSync(join(directory, "log-0", name));
      }
      await reopen(directory, SMALL, (log) => checkFilled(log));
    }));

  it("are known where an opening in between has rolled without any of them", () =>
    useDirectory(async (directory) => {
      await reopen(directory, SMALL, (log) => fill(log));
      const end = await reopen(directory, SMALL, async (log) => {
        for (let n = 0; n < 100; n++) {
          log.shard(0).tryAppend({ value: "y".repeat(200) });
          await log.flush();
        }
        return log.shard(0).nextOffset;
      });
      // What they wrote is gone from the front, as after retention.
      const shard = join(directory, "log-0");
      for (const name of readdirSync(shard)) {
        if (/^\d+\.(log|idx)$/.test(name) && Number(name.slice(0, 20)) < 210) rmSync(join(shard, name));
      }
      assert.equal(snapshots(directory).length, 3);
      await reopen(directory, SMALL, async (log) => {
        assert.equal(await send(log.shard(0), produced(1, 0, 29)), 29 * 7);
        assert.equal(await send(log.shard(0), produced(1, 0, 30)), end);
      });
    }));

  it("are not taken from a snapshot of a tail that was lost, when others have written past it", () =>
    useDirectory(async (directory) => {
      await reopen(directory, SMALL, (log) => fill(log));
      const shard = join(directory, "log-0");
      const bases = readdirSync(shard).filter((name) => name.endsWith(".log")).sort().map((name) => name.slice(0, 20));
      const [cut, ...lost] = bases.slice(-5);
      for (const base of lost) for (const ending of ["log", "idx"]) rmSync(join(shard, `${base}.${ending}`));
      assert.ok(snapshots(directory).some((name) => Number(name.slice(0, 20)) > Number(cut)));
      await reopen(directory, { ...SMALL, segmentBytes: 1e6, acceptDataLoss: true }, async (log) => {
        assert.ok((await values(log)).length < 205);
        // No segment begins, so nothing newer takes the place of what speaks of the tail.
        for (let n = 0; n < 230; n++) log.shard(0).tryAppend({ value: "z".repeat(40) });
      });
      await reopen(directory, SMALL, async (log) => {
        const left = await values(log);
        for (const id of [1, 2, 3]) {
          const known = left.filter((value) => value.startsWith(`${id}/`)).length / id;
          assert.ok(known < 30);
          const again = await send(log.shard(0), produced(id, 0, (known - 1) * id, id));
          assert.equal(again, left.indexOf(`${id}/0/${(known - 1) * id}`));
          const next = log.shard(0).nextOffset;
          assert.equal(await send(log.shard(0), produced(id, 0, known * id, id)), next, "lost, so it is written");
        }
      });
    }));

  it("cost nothing where there are none", () =>
    useDirectory(async (directory) => {
      await reopen(directory, SMALL, async (log) => {
        for (let n = 0; n < 50; n++) {
          log.shard(0).tryAppend({ value: "y".repeat(200) });
          await log.flush();
        }
      });
      assert.deepEqual(snapshots(directory), []);
    }));

  it("are not loaded from damaged batches: that is told, and a plain record is taken", () =>
    useDirectory(async (directory) => {
      await reopen(directory, SMALL, (log) => fill(log));
      const shard = join(directory, "log-0");
      const names = readdirSync(shard);
      for (const name of names) if (name.endsWith(".idx") || name.endsWith(".snapshot")) rmSync(join(shard, name));
      const first = join(shard, names.filter((name) => name.endsWith(".log")).sort()[0]);
      writeFileSync(first, readFileSync(first).map((byte, i) => i === 300 ? byte ^ 1 : byte));
      await reopen(directory, SMALL, async (log) => {
        const error = await fails("CORRUPT_BATCH", () => send(log.shard(0), produced(1, 0, 30)));
        assert.equal(error.file, first);
        await fails("CORRUPT_BATCH", () => log.idempotentProducer("n"));
        assert.equal(log.shard(0).tryAppend({ value: "plain" }), 210);
      });
    }));
});

describe("after a crash", () => {
  for (const kind of ["process", "power"] as const) {
    it(`a batch whose tail was cut is taken again, exactly once: ${kind}`, async () => {
      for (let seed = 1; seed <= 25; seed++) {
        let log = await openMemoryLog({ seed, segmentBytes: 1024 });
        let acknowledged = 0;
        let next = 0;
        for (let life = 0; life < 4; life++) {
          log.plan({ fault: "stop", nth: 5 + (seed * 7 + life * 13) % 60 });
          try {
            // The client does not know which of the last ones arrived: it sends all that were not acknowledged again.
            for (next = acknowledged; next < 40; next++) {
              const offset = await send(log.shard(0), produced(5, 0, next * 2, 2));
              if (next % 3 === 2) {
                await log.shard(0).acknowledged(offset + 1, "disk");
                acknowledged = next + 1;
              }
            }
          } catch (error) {
            if (!(error instanceof CrashError)) throw error;
          }
          log = await log.crash(kind, seed + life);
          const found = await values(log);
          assert.deepEqual(found, Array.from({ length: found.length }, (_, n) => `5/0/${n}`), `seed ${seed}`);
          assert.ok(found.length >= acknowledged * 2, `seed ${seed}: ${acknowledged} were acknowledged`);
        }
        for (next = acknowledged; next < 45; next++) {
          assert.equal(await send(log.shard(0), produced(5, 0, next * 2, 2)), next * 2, `seed ${seed}`);
        }
        await log.close();
      }
    });
  }
});
