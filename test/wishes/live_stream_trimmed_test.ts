/**
 * async-append-only-log 88 asks for live streams that survive when the log under them is cut. Here they go on while retention and trims
 * drop what they have read; one that is too slow is told where the log begins now, and begins again there.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Log, LogError } from "../../mod.ts";
import { fails, namesIn, take, until, useLog } from "../helpers.ts";

const OPTIONS = { topic: "log", segmentBytes: 2048, flushIntervalMs: 0 };
const COUNT = 400;

async function append(log: Log, n: number): Promise<void> {
  take(log.shard(0), { key: "k", value: `${n}`.padEnd(100, ".") });
  await log.flush("disk");
}

describe("a live stream, as async-append-only-log 88 asks for", () => {
  for (const how of ["retention", "trims"] as const) {
    it(`goes on through ${how}: every record once, in order`, () =>
      useLog(how === "trims" ? OPTIONS : { ...OPTIONS, retention: { maxRecords: 40 } }, async (log, directory) => {
        const streams = {
          read: log.read({ shard: 0, follow: true }),
          merged: log.read({ follow: true }),
          user: log.user("k").read({ follow: true }),
        };
        const seen: Record<string, number[]> = {};
        const all = Promise.all(
          Object.entries(streams).map(async ([name, records]) => {
            const offsets: number[] = seen[name] = [];
            for await (const record of records) {
              assert.equal(record.text(), `${record.offset}`.padEnd(100, "."));
              offsets.push(record.offset);
              if (record.offset === COUNT - 1) break;
            }
          }),
        );
        all.catch(() => {});
        const slowest = (): number => Math.min(...Object.keys(streams).map((name) => seen[name]?.length ?? 0));
        for (let n = 0; n < COUNT; n++) {
          await append(log, n);
          // They keep up; what they have read goes.
          if (n % 10 === 9) await until(() => slowest() >= n - 5, `read up to ${n}`);
          if (how === "trims" && n % 25 === 24) await log.shard(0).trimBefore(n - 10);
        }
        await all;
        for (const [name, offsets] of Object.entries(seen)) {
          assert.deepEqual(offsets, Array.from({ length: COUNT }, (_, offset) => offset), name);
        }
        // Retention drops beside the appends, and the files go once the log start is durable.
        await until(() => log.shard(0).earliest > COUNT - 80, "the log begins near its end");
        await until(() => namesIn(`${directory}/log-0`, ".log").length <= 5, "the files in front of it are gone");
      }));
  }

  it("that was overtaken says where the log begins, and one that begins there goes on", () =>
    useLog(OPTIONS, async (log) => {
      for (let n = 0; n < 100; n++) await append(log, n);
      const slow = log.read({ shard: 0, follow: true });
      let next = 0;
      for (; next < 3; next++) assert.equal((await slow.next()).value.offset, next);
      await log.shard(0).trimBefore(90);
      const error = await fails("OFFSET_OUT_OF_RANGE", async () => {
        for (;;) assert.equal((await slow.next()).value.offset, next++);
      });
      assert.ok(error instanceof LogError);
      const [begins] = error.range!;
      assert.equal(begins, 90);
      const again = log.read({ shard: 0, from: begins, follow: true });
      for (let offset = 90; offset < 100; offset++) assert.equal((await again.next()).value.offset, offset);
      const live = again.next();
      await append(log, 100);
      assert.equal((await live).value.offset, 100);
      await again.return!();
    }));
});
