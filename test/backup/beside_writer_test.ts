/**
 * Backups of a log that is written, rolled and cut from the front at the same moment, in an order of file operations that the seed draws:
 * each is whole, and has everything that was acknowledged before it was begun.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, it } from "node:test";
import { type MemoryVfs, memoryVfs, seededRandom } from "../../adapters/memory.ts";
import type { EmbeddedLog } from "../../src/log/log.ts";
import { openWith } from "../../src/log/open.ts";
import { appendBatches, DIRECTORY, engineOn, open, valueAt } from "../recovery/repair_log.ts";

const SEEDS = Number(process.env.SEEDS ?? 60);
const COPY = "/data/copy";

/** Appends until it is told to stop; now and then drops the oldest segments, as retention does. */
async function write(vfs: MemoryVfs, log: EmbeddedLog, seed: number, isOver: () => boolean): Promise<void> {
  const random = seededRandom(seed);
  for (let round = 0; round < 200 && !isOver(); round++) {
    const shard = random.below(2);
    await appendBatches(log, shard, 1 + random.below(3));
    if (random.below(4) > 0) continue;
    if (random.below(2) === 0) await log.shard(shard).flush("disk");
    const names = (await vfs.list(`${DIRECTORY}/log-${shard}`)).map(({ name }) => name).filter((name) =>
      name.endsWith(".log")
    );
    for (const name of names.slice(0, Math.max(0, names.length - 3))) {
      await vfs.remove(`${DIRECTORY}/log-${shard}/${name}`);
    }
  }
}

/** Opens a copy as its owner would, and answers where its shards begin and end. */
async function examine(vfs: MemoryVfs): Promise<{ earliest: number; end: number }[]> {
  const log = await openWith(engineOn(vfs), COPY, {});
  const found: { earliest: number; end: number }[] = [];
  for (const { id, earliest, nextOffset } of log.shards) {
    const { verdict, cutBytes } = log.recovery[id];
    assert.deepEqual({ verdict, cutBytes }, { verdict: "clean", cutBytes: 0 });
    let next = earliest;
    for await (const record of log.read({ shard: id })) {
      assert.equal(record.offset, next);
      assert.equal(record.text(), valueAt(id, next++));
    }
    assert.equal(next, nextOffset);
    found.push({ earliest, end: nextOffset });
  }
  await log.close();
  return found;
}

async function run(seed: number): Promise<"linked" | "copied"> {
  const vfs = memoryVfs({ seed, async: 0.7 });
  const log = await open(vfs, { shards: 2 });
  await appendBatches(log, 0, seed % 20);
  await appendBatches(log, 1, seed % 7);
  // From the writing program, or as another process does it.
  const source = seed % 2 === 0 ? log : await open(vfs, { readOnly: true });
  let isOver = false;
  const writing = write(vfs, log, seed, () => isOver);
  const acknowledged = log.shards.map((shard) => shard.written);
  const { shards, linkedBytes } = await source.backup(COPY);
  if (source !== log) await source.close();
  isOver = true;
  await writing;
  const found = await examine(vfs);
  for (const [i, { earliest, end }] of found.entries()) {
    assert.ok(end >= acknowledged[i], `shard ${i}: ${end} of ${acknowledged[i]} that were acknowledged`);
    assert.deepEqual([shards[i].earliest, shards[i].nextOffset], [earliest, end]);
  }
  assert.deepEqual(vfs.violations, []);
  await log.close();
  // Nobody has touched the copy by going on with the log, nor the log by going on with the copy.
  const again = await openWith(engineOn(vfs), COPY, { readOnly: true });
  assert.deepEqual(again.shards.map(({ nextOffset }) => nextOffset), found.map(({ end }) => end));
  await again.close();
  return linkedBytes > 0 ? "linked" : "copied";
}

describe("a backup beside a writer", () => {
  it(`is whole in ${SEEDS} orders of what happens`, async () => {
    const counts = { linked: 0, copied: 0 };
    for (let seed = 1; seed <= SEEDS; seed++) {
      try {
        counts[await run(seed)]++;
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      }
    }
    assert.ok(counts.linked > SEEDS / 10 && counts.copied > 0, JSON.stringify(counts));
  });
});
