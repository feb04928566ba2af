/** A wall clock that nobody can rely on. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { memoryVfs, seededRandom, simulatedClock } from "../../adapters/memory.ts";
import { noCodecs } from "../../src/batch/codecs.ts";
import { openWith } from "../../src/log/open.ts";
import { collect, take } from "../helpers.ts";

const YEAR_MS = 365 * 24 * 3600 * 1000;
const COUNT = 400;

/** What the clock does before each record. */
const clocks: readonly (readonly [what: string, jumpOf: (i: number) => number])[] = [
  ["that jumps back", (i) => i % 50 === 49 ? -YEAR_MS : 3],
  ["that jumps forward", (i) => i % 50 === 49 ? YEAR_MS : 3],
  ["that jumps to and fro", (i) => (i % 2 === 0 ? 1 : -1) * (i * 37 % 1000)],
  ["that stands still", () => 0],
  ["that goes back all the time", () => -5],
];

describe("a wall clock", () => {
  for (const [what, jumpOf] of clocks) {
    it(`${what} changes no offset, and a read from any time begins where it should [fault 43]`, async () => {
      const clock = simulatedClock();
      const engine = { vfs: memoryVfs(), clock, random: seededRandom(4).fill, codecs: noCodecs };
      const options = { topic: "log", segmentBytes: 2048, batchBytes: 300, flushIntervalMs: 20 };
      const times: number[] = [];
      let log = await openWith(engine, "/data/log", options);
      for (let i = 0; i < COUNT; i++) {
        clock.jump(jumpOf(i));
        times.push(clock.now());
        assert.equal(take(log.shard(0), { value: `${i}` }), i);
        if (i % 7 === 0) await log.flush(i % 2 === 0 ? "disk" : "os");
        if (i === COUNT / 2) {
          await log.close();
          log = await openWith(engine, "/data/log", options);
        }
      }
      // The flush interval counts on a clock of its own.
      clock.jump(-YEAR_MS);
      clock.advance(20);
      await log.shard(0).acknowledged(COUNT - 1);
      const records = await collect(log.read({ shard: 0 }));
      assert.deepEqual(records.map(({ offset }) => offset), times.map((_, i) => i));
      assert.deepEqual(records.map(({ timestamp }) => timestamp), times);
      for (
        const time of new Set([...times.filter((_, i) => i % 5 === 0), Math.min(...times), Math.max(...times) + 1])
      ) {
        const expected = times.findIndex((one) => one >= time);
        const { value } = await log.read({ shard: 0, from: new Date(time), limit: 1 }).next();
        assert.equal(value?.offset ?? -1, expected, `from ${time}`);
      }
      await log.close();
    });
  }
});
