import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type MemoryVfs, memoryVfs, simulatedClock } from "../../adapters/memory.ts";
import { noCodecs } from "../../src/batch/codecs.ts";
import { ROW_BYTES } from "../../src/index/rows.ts";
import { openWith } from "../../src/log/open.ts";
import type { EmbeddedLog } from "../../src/log/log.ts";
import { verifyLog } from "../../src/verify/verify_log.ts";

const SEGMENT = "/data/log/log-0/00000000000000000000";
const BATCHES = 3000;

function engineOn(vfs: MemoryVfs) {
  return { vfs, clock: simulatedClock(), random: (into: Uint8Array) => void into.fill(7), codecs: noCodecs };
}

const open = (vfs: MemoryVfs): Promise<EmbeddedLog> =>
  openWith(engineOn(vfs), "/data/log", { topic: "log", flushIntervalMs: Infinity }) as Promise<EmbeddedLog>;

/** A log of many batches whose process ended. */
async function killed(batches = BATCHES): Promise<MemoryVfs> {
  const vfs = memoryVfs();
  const log = await open(vfs);
  await append(log, batches);
  return vfs.crash("process");
}

async function append(log: EmbeddedLog, batches: number): Promise<void> {
  for (let i = 0; i < batches; i++) {
    assert.equal(typeof log.shard(0).tryAppend({ value: `${i}`, timestamp: 1000 + i }), "number");
    await log.flush();
  }
}

/** Opens, appends, closes; answers how many bytes of the index were read, after everything was found to be right. */
async function goOn(vfs: MemoryVfs, expected: number): Promise<number> {
  let read = 0;
  const end = vfs.onOperation(({ kind, path, bytes }) => {
    if (kind === "read" && path.endsWith(".idx")) read += bytes;
  });
  const log = await open(vfs);
  end();
  assert.equal(log.shard(0).nextOffset, expected);
  await append(log, 2);
  const found: number[] = [];
  for (const offset of [0, expected >> 1, expected - 1, expected, expected + 1]) {
    for await (const record of log.read({ shard: 0, from: offset, limit: 1 })) found.push(record.offset);
  }
  assert.deepEqual(found, [0, expected >> 1, expected - 1, expected, expected + 1]);
  await log.close();
  const wrong: unknown[] = [];
  const observer = {
    damage: (finding: unknown) => void wrong.push(finding),
    note: (finding: unknown) => void wrong.push(finding),
    progress: () => {},
  };
  await verifyLog(engineOn(vfs), "/data/log", observer);
  assert.deepEqual(wrong, []);
  const rows = vfs.readWhole(`${SEGMENT}.idx`).length / ROW_BYTES;
  assert.equal(rows, expected + 2 + 1, "a row for each batch, and the one in front");
  return read;
}

describe("an opening after the end of a process", () => {
  it("reads the last row of the index, not all of them", async () => {
    assert.ok(await goOn(await killed(), BATCHES) <= 2 * ROW_BYTES);
  });

  it("drops rows that no anchor speaks of, and makes those that are missing", async () => {
    const vfs = await killed();
    const index = vfs.readWhole(`${SEGMENT}.idx`);
    vfs.writeWhole(`${SEGMENT}.idx`, new Uint8Array([...index, ...index.subarray(ROW_BYTES, 3 * ROW_BYTES)]));
    // The rows that stay are copied into a new file.
    assert.ok(await goOn(vfs, BATCHES) < index.length * 1.25);
    // A batch behind the anchor's end, as if the process had ended before its rows were written.
    const next = await killed();
    const before = next.readWhole("/data/log/log-0/anchor");
    const log = await open(next);
    const rows = next.readWhole(`${SEGMENT}.idx`);
    const anchor = next.readWhole("/data/log/log-0/anchor");
    await append(log, 3);
    const again = next.crash("process");
    again.writeWhole(`${SEGMENT}.idx`, rows);
    again.writeWhole("/data/log/log-0/anchor", anchor.length > 0 ? anchor : before);
    assert.ok(await goOn(again, BATCHES + 3) < index.length / 4);
  });

  it("makes an index anew that was given up, or is not the log's", async () => {
    for (
      const spoil of [(index: Uint8Array) => index.subarray(0, -ROW_BYTES), (index: Uint8Array) => {
        const copy = index.slice();
        copy[copy.length - 20] ^= 1;
        return copy;
      }, () => new Uint8Array(0)]
    ) {
      const vfs = await killed(300);
      vfs.writeWhole(`${SEGMENT}.idx`, spoil(vfs.readWhole(`${SEGMENT}.idx`)));
      await goOn(vfs, 300);
    }
    const vfs = await killed(300);
    vfs.removeWhole(`${SEGMENT}.idx`);
    await goOn(vfs, 300);
  });

  it("believes no row after a power loss", async () => {
    const vfs = memoryVfs({
      crash: { weights: { kept: 0, dropped: 1, torn: 0, sectors: 0, blocks: 0, zeros: 0, garbage: 0, stale: 0 } },
    });
    const log = await open(vfs);
    await append(log, 50);
    await log.flush("disk");
    const next = vfs.crash("power");
    await goOn(next, 50);
  });
});
