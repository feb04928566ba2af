/** Damage in one shard, and what a reader of several shards, or one that goes backwards, still hands out. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { type GapEvent, type Log, LogError, type LogRecord, type OpenOptions, type ReadOptions } from "../../mod.ts";
import { announceSeed, makeRandom } from "../fixtures/seed.ts";
import { fails, reopen, take, until, useDirectory } from "../helpers.ts";
import { batchesOf, flip, indexOf, logFiles } from "../recovery/damage.ts";
import { replaceBatch, reseal } from "./foreign.ts";
import { type Kept, mergeHeads } from "./selection_model.ts";

const seed = announceSeed("merged damage");
const OPTIONS: OpenOptions = {
  topic: "log",
  shards: 3,
  batchBytes: 600,
  segmentBytes: 3000,
  flushIntervalMs: Infinity,
};
const COUNT = 240;

interface Outcome {
  readonly records: Kept[];
  readonly gaps: GapEvent[];
  readonly error: LogError | undefined;
}

/** Reads to the end or to the error. */
async function outcome(log: Log, options: ReadOptions): Promise<Outcome> {
  const records: Kept[] = [];
  const gaps: GapEvent[] = [];
  try {
    for await (
      const record of log.read({ onGap: (gap) => void gaps.push(gap), ...options }) as AsyncIterable<LogRecord>
    ) {
      const { shard, offset, timestamp } = record;
      assert.ok(record.text()!.startsWith(`${shard}/${offset} `));
      records.push({ shard, offset, timestamp, key: null, headers: [] });
    }
  } catch (error) {
    assert.ok(error instanceof LogError, String(error));
    assert.equal(error.code, "CORRUPT_BATCH");
    return { records, gaps, error };
  }
  return { records, gaps, error: undefined };
}

async function useWritten(timeOf: (i: number) => number, body: (directory: string, files: string[]) => Promise<void>) {
  await useDirectory(async (directory) => {
    await reopen(directory, OPTIONS, (log) => {
      for (let i = 0; i < COUNT; i++) {
        const shard = log.shard(i % 3);
        take(shard, { value: `${shard.id}/${shard.nextOffset} `.padEnd(100, "."), timestamp: timeOf(i) });
      }
    });
    const files = [0, 1, 2].flatMap((shard) => {
      const place = join(directory, `log-${shard}`);
      return readdirSync(place).filter((name) => name.endsWith(".log")).sort().map((name) => join(place, name));
    });
    await body(directory, files);
  });
}

/** What a reader that stops may hand out: what one that skips does, up to the first record behind a gap. */
function upToDamage({ records, gaps }: Outcome, reverse: boolean): Kept[] {
  const isBehind = ({ shard, offset }: Kept): boolean =>
    gaps.some((gap) => gap.shard === shard && (reverse ? offset < gap.from : offset > gap.to));
  const first = records.findIndex(isBehind);
  return first < 0 ? records : records.slice(0, first);
}

function offsetsIn(gaps: readonly GapEvent[]): string[] {
  const offsets = gaps.flatMap(({ shard, from, to }) =>
    Array.from({ length: to - from + 1 }, (_, i) => `${shard}/${from + i}`)
  );
  assert.equal(new Set(offsets).size, offsets.length, "no offset is told twice");
  return offsets.sort();
}

async function check(log: Log, what: string): Promise<number> {
  const skipping = await outcome(log, { onCorrupt: "skip" });
  const survivors = [0, 1, 2].map((shard) => skipping.records.filter((record) => record.shard === shard));
  assert.deepEqual(skipping.records, mergeHeads(survivors, 1), what);
  const stopping = await outcome(log, {});
  assert.deepEqual(stopping.records, upToDamage(skipping, false), `${what}: stop`);
  assert.equal(stopping.error !== undefined, skipping.gaps.length > 0, `${what}: tells damage`);

  const back = await outcome(log, { onCorrupt: "skip", reverse: true });
  assert.deepEqual(back.records, mergeHeads(survivors.map((records) => records.toReversed()), -1), `${what}: reverse`);
  assert.deepEqual(offsetsIn(back.gaps), offsetsIn(skipping.gaps), `${what}: reverse tells the same gaps`);
  const stopped = await outcome(log, { reverse: true });
  assert.deepEqual(stopped.records, upToDamage(back, true), `${what}: reverse, stop`);
  assert.equal(stopped.error !== undefined, skipping.gaps.length > 0);
  for (const shard of [0, 1, 2]) {
    const one = await outcome(log, { shard, reverse: true });
    const skipped = await outcome(log, { shard, reverse: true, onCorrupt: "skip" });
    assert.deepEqual(skipped.records, survivors[shard].toReversed(), `${what}: shard ${shard}, reverse`);
    assert.deepEqual(one.records, upToDamage(skipped, true), `${what}: shard ${shard}, reverse, stop`);
  }
  for (const last of [1, 7, 60, COUNT]) {
    const found = await outcome(log, { last, onCorrupt: "skip" });
    const newest = new Set(back.records.slice(0, last).map(({ shard, offset }) => `${shard}/${offset}`));
    const isNewest = ({ shard, offset }: Kept): boolean => newest.has(`${shard}/${offset}`);
    const wanted = mergeHeads(survivors.map((records) => records.filter(isNewest)), 1);
    assert.deepEqual(found.records, wanted, `${what}: last ${last}`);
    const strict = await outcome(log, { last });
    if (strict.error === undefined) assert.deepEqual(strict.records, wanted, `${what}: last ${last}, without an error`);
    else assert.ok(skipping.gaps.length > 0);
  }
  return skipping.gaps.length;
}

describe("damage in some shards", () => {
  const orders: readonly (readonly [string, (i: number, random: (limit: number) => number) => number])[] = [
    ["ordered", (i) => 1000 + i],
    ["unordered", (i, random) => 1000 + i - random(100)],
  ];
  for (const [order, timeOf] of orders) {
    it(`keeps back nothing that is readable in front of it: ${order} timestamps [faults 24, 25]`, async () => {
      const random = makeRandom(seed);
      let gaps = 0;
      for (let round = 0; round < 12; round++) {
        await useWritten((i) => timeOf(i, random), async (directory, files) => {
          let what = `round ${round}`;
          for (let n = random(4); n >= 0; n--) {
            const file = files[random(files.length)];
            const position = random(readFileSync(file).length);
            flip(file, position, random(8));
            what += `, ${file.slice(-28)} at ${position}`;
          }
          if (random(3) === 0) { for (const file of files) rmSync(indexOf(file)); }
          await reopen(directory, { readOnly: true }, async (log) => gaps += await check(log, what));
        });
      }
      assert.ok(gaps > 0, "some of it was damage that a reader sees");
    });
  }

  it("of a segment that is missing is told once, whichever way a reader goes", () =>
    useWritten((i) => 1000 + i, async (directory, files) => {
      rmSync(files[1]);
      rmSync(indexOf(files[1]));
      await reopen(
        directory,
        { readOnly: true },
        async (log) => assert.equal(await check(log, "a missing segment"), 1),
      );
    }));

  it("at the end of a shard ends a follower as soon as it has what the others had", () =>
    useWritten((i) => 1000 + i, async (directory, files) => {
      const inShard0 = files.filter((file) => file.includes("log-0"));
      const last = batchesOf(inShard0.at(-1)!).at(-1)!;
      flip(last.file, last.position + 70);
      await reopen(directory, OPTIONS, async (log) => {
        let seen = 0;
        let failure: unknown;
        const run = (async () => {
          for await (const _ of log.read({ follow: true })) seen++;
        })().catch((error: unknown) => failure = error);
        for (let i = 0; failure === undefined && i < 200; i++) {
          take(log.shard(1), { value: "more", timestamp: 5000 + i });
          await log.flush();
          await new Promise((resolve) => setTimeout(resolve, 1));
        }
        await until(() => failure !== undefined, "the follower is told");
        await run;
        assert.ok(failure instanceof LogError && failure.code === "CORRUPT_BATCH");
        assert.ok(seen >= COUNT - (last.last - last.first + 1), `only ${seen} records`);
      });
    }));

  it("at the end of a shard lets a reader finish what the others had when it was found, and no more", () =>
    useDirectory(async (directory) => {
      await reopen(directory, { ...OPTIONS, shards: 2 }, async (log) => {
        for (let i = 0; i < 10; i++) {
          take(log.shard(0), { value: `early ${i}`, timestamp: i });
          take(log.shard(1), { value: `late ${i}`, timestamp: 1000 + i });
          if (i === 4) await log.flush();
        }
      });
      const [file] = readdirSync(join(directory, "log-0")).filter((name) => name.endsWith(".log"));
      const path = join(directory, "log-0", file);
      flip(path, batchesOf(path)[1].position + 70);
      await reopen(directory, { ...OPTIONS, shards: 2 }, async (log) => {
        const records = log.read({ follow: true });
        // The five that are readable of shard 0, and the first of shard 1: by then the damage was found.
        for (let i = 0; i < 6; i++) assert.equal((await records.next()).value.shard, i < 5 ? 0 : 1);
        for (let i = 0; i < 50; i++) take(log.shard(1), { value: "later", timestamp: 2000 + i });
        await log.flush();
        for (let i = 1; i < 10; i++) assert.equal((await records.next()).value.offset, i);
        await fails("CORRUPT_BATCH", () => records.next());
        assert.equal((await records.next()).done, true);
      });
    }));
});

describe("reading newest first over damage", () => {
  it("goes back a piece at a time also where no index divides the log", () =>
    useDirectory(async (directory) => {
      const count = 8000;
      await reopen(directory, { topic: "log", batchBytes: 10_000 }, async (log) => {
        for (let i = 0; i < count; i++) {
          if (log.shard(0).nextOffset % 1000 === 0) await log.flush();
          take(log.shard(0), { value: `0/${i} `.padEnd(500, "."), timestamp: i });
        }
      });
      const [file] = logFiles(directory);
      const batch = batchesOf(file)[1];
      flip(file, batch.position + 70);
      rmSync(indexOf(file));
      await reopen(directory, { readOnly: true }, async (log) => {
        const { records, gaps } = await outcome(log, { reverse: true, onCorrupt: "skip" });
        assert.deepEqual(gaps.map(({ from, to }) => [from, to]), [[batch.first, batch.last]]);
        const offsets = Array.from({ length: count }, (_, i) => count - 1 - i);
        assert.deepEqual(
          records.map(({ offset }) => offset),
          offsets.filter((offset) => offset < batch.first || offset > batch.last),
        );
        const few = await outcome(log, { reverse: true, limit: 3, before: batch.last + 3 });
        assert.deepEqual(few.records.map(({ offset }) => offset), [batch.last + 2, batch.last + 1]);
        assert.deepEqual(few.error?.range, [batch.first, batch.last]);
      });
    }));

  it("hands out what can be decoded of a batch that lies about the rest", () =>
    useDirectory(async (directory) => {
      await reopen(directory, { topic: "log", batchBytes: 800 }, (log) => {
        for (let i = 0; i < 60; i++) take(log.shard(0), { value: `0/${i} `.padEnd(100, "."), timestamp: i });
      });
      const [file] = logFiles(directory);
      const batch = batchesOf(file)[2];
      // The offset of a record in the middle of it, under a right checksum.
      const content = readFileSync(file);
      const middle = batch.first + 3;
      flip(file, content.indexOf(`0/${middle} `) - 4, 1);
      reseal(file, batch);
      await reopen(directory, { readOnly: true }, async (log) => {
        const forward = await outcome(log, { onCorrupt: "skip" });
        const back = await outcome(log, { reverse: true, onCorrupt: "skip" });
        assert.equal(forward.gaps.length, 1);
        assert.deepEqual(back.records, forward.records.toReversed());
        assert.deepEqual(offsetsIn(back.gaps), offsetsIn(forward.gaps));
        assert.ok(forward.records.some(({ offset }) => offset === batch.first), "the first of it can be decoded");
        const stopped = await outcome(log, { reverse: true });
        assert.deepEqual(stopped.records.map(({ offset }) => offset), offsetsBehind(batch.last, 60));
        assert.equal(stopped.error?.range?.[1], batch.last);
      });
    }));

  it("takes compacted batches for what they are", () =>
    useDirectory(async (directory) => {
      await reopen(directory, { topic: "log", batchBytes: 800 }, (log) => {
        for (let i = 0; i < 60; i++) take(log.shard(0), { value: `0/${i} `.padEnd(100, "."), timestamp: i });
      });
      const [file] = logFiles(directory);
      const batch = batchesOf(file)[2];
      replaceBatch(file, batch, [1, 4], 5000);
      await reopen(directory, { readOnly: true }, async (log) => {
        const forward = (await Array.fromAsync(log.read())).map(({ offset }) => offset);
        const back = (await Array.fromAsync(log.read({ reverse: true }))).map(({ offset }) => offset);
        assert.deepEqual(back, forward.toReversed());
        assert.equal(forward.length, 60 - (batch.last - batch.first + 1) + 2);
        assert.ok(forward.includes(batch.first + 4));
      });
    }));
});

/** From the last one down to the first behind `offset`. */
function offsetsBehind(offset: number, count: number): number[] {
  return Array.from({ length: count - offset - 1 }, (_, i) => count - 1 - i);
}
