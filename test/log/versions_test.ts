/** Logs that an older version of the package wrote. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { gunzipSync } from "node:zlib";
import { type MemoryVfs, memoryVfs, seededRandom, simulatedClock } from "../../adapters/memory.ts";
import { systemClock } from "../../adapters/system.ts";
import { noCodecs } from "../../src/batch/codecs.ts";
import { openWith } from "../../src/log/open.ts";
import type { Engine, OpenOptions } from "../../src/options.ts";
import type { Damage } from "../../src/verify/finding.ts";
import { verifyLog } from "../../src/verify/verify_log.ts";
import { FORMAT_1 } from "../fixtures/format_1.ts";
import { collect, plain, take } from "../helpers.ts";

const DIRECTORY = "/log";
const COUNT = 24;
const encoder = new TextEncoder();

function machineWith(files: Readonly<Record<string, string>>): MemoryVfs {
  const vfs = memoryVfs();
  for (const [path, text] of Object.entries(files)) {
    vfs.writeWhole(
      `${DIRECTORY}/${path}`,
      new Uint8Array(gunzipSync(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)))),
    );
  }
  return vfs;
}

/** What the first version was given at an offset. */
function recordAt(shard: number, offset: number): unknown {
  const i = offset % 12;
  return {
    shard,
    offset,
    timestamp: 1_760_000_000_000 + offset * 10 + shard,
    key: encoder.encode(`k${i % 3}`),
    value: i % 5 === 4 ? null : encoder.encode(`${shard}:${offset}:`.padEnd(60, "abcdef")),
    headers: i % 4 === 0 ? [["n", encoder.encode(`${i}`)]] : [],
  };
}

function engineOn(vfs: MemoryVfs): Engine {
  return { vfs, clock: simulatedClock(), random: seededRandom(1).fill, codecs: noCodecs };
}

async function checkAll(vfs: MemoryVfs, options: OpenOptions, more: readonly string[]): Promise<void> {
  const log = await openWith(engineOn(vfs), DIRECTORY, options);
  assert.equal(log.topic, "chat");
  assert.deepEqual(log.recovery.map(({ verdict }) => verdict), ["clean", "clean"]);
  for (const { id } of log.shards) {
    const records = await collect(log.read({ shard: id }));
    const expected = Array.from({ length: COUNT }, (_, offset) => recordAt(id, offset));
    assert.deepEqual(records.slice(0, COUNT).map(plain), expected);
    assert.deepEqual(records.slice(COUNT).map((record) => record.text()), more);
    const { value } = await log.read({ shard: id, from: new Date(1_760_000_000_000 + 150), limit: 1 }).next();
    assert.equal(value.offset, 15);
  }
  await log.close();
}

describe("a log of format 1", () => {
  for (const [ending, files] of Object.entries(FORMAT_1)) {
    it(`that was ${ending} is read, gone on with, and found in order [fault 59]`, async () => {
      const vfs = machineWith(files);
      await checkAll(vfs, { readOnly: true }, []);
      await checkAll(vfs, {}, []);
      const log = await openWith(engineOn(vfs), DIRECTORY, {});
      for (const shard of log.shards) assert.equal(take(shard, { value: "of today" }), COUNT);
      await log.close();
      await checkAll(vfs, { readOnly: true }, ["of today"]);
      const found: Damage[] = [];
      const observer = { damage: (one: Damage) => found.push(one), note: () => {}, progress: () => {} };
      await verifyLog({ ...engineOn(vfs), clock: systemClock }, DIRECTORY, observer);
      assert.deepEqual(found, []);
    });
  }
});
