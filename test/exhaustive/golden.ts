/**
 * Small logs of which every byte and every record is known: one closed, one whose process was killed, and the closed one after
 * a reboot, when nothing in it is of this instance, and without indexes.
 */
import assert from "node:assert/strict";
import { type MemoryVfs, memoryVfs } from "../../adapters/memory.ts";
import { batchBytesAt, readHeader } from "../../src/batch/format.ts";
import { instanceIds } from "../../src/anchor/anchor.ts";
import { readManifest } from "../../src/log/manifest.ts";
import { openShardForWriting } from "../../src/log/open_shard.ts";
import { resolveRetention } from "../../src/retention/retention_options.ts";
import { resolveLimits } from "../../src/options.ts";
import { WriteModeChoice } from "../../src/shard/write_mode.ts";
import { DIRECTORY, engineOn, inputAsText, openOn, OPTIONS, recordAt, shardFile } from "./engine.ts";

/** A batch of a `.log`. */
export interface StoredBatch {
  readonly shard: number;
  /** Path of its file. */
  readonly file: string;
  readonly position: number;
  readonly bytes: number;
  readonly first: number;
  readonly last: number;
}

/** A log, what is in it, and where. */
export interface Golden {
  readonly name: string;
  readonly vfs: MemoryVfs;
  /** By shard and offset. */
  readonly records: readonly (readonly string[])[];
  readonly batches: readonly StoredBatch[];
  readonly files: readonly string[];
  /** Records of each shard that only the newest slot of its anchor speaks of. */
  readonly lastCommit: number;
}

/** Sizes of the values, by batch. */
const FIRST_LIFE = [[4, 4], [3], [5]];
const SECOND_LIFE = [[2, 3], [1], [4], [2, 2]];
/** Less than a log can be opened with: all of it is to be turned over, bit for bit. */
const SEGMENT_BYTES = 240;

/** Builds them. */
export async function goldenLogs(): Promise<Golden[]> {
  const vfs = memoryVfs({ seed: 11 });
  const expected: string[][] = [[], []];
  // The manifest and the directories come from an ordinary opening.
  await (await openOn(vfs, OPTIONS)).close();
  await live(vfs, expected, FIRST_LIFE, true);
  const killed = vfs.snapshot().boot();
  const killedExpected = expected.map((records) => [...records]);
  await live(vfs, expected, SECOND_LIFE, true);
  await live(killed, killedExpected, SECOND_LIFE, false);
  const next = killed.crash("process");
  tear(next);
  // Long after it was written everything is on the disk, except an index that somebody has deleted.
  const idle = vfs.snapshot().boot();
  for (const path of absolute(idle)) {
    if (path.endsWith(".idx")) idle.removeWhole(path);
    else idle.writeWhole(path, idle.readWhole(path));
  }
  const rebooted = idle.crash("power");
  return [
    golden("closed", vfs, expected),
    golden("killed", next, killedExpected, SECOND_LIFE.at(-1)!.length),
    golden("rebooted", rebooted, expected),
  ];
}

/** One opening of both shards that writes; the middle of what it writes is synced. */
async function live(
  vfs: MemoryVfs,
  expected: string[][],
  batches: readonly (readonly number[])[],
  closes: boolean,
): Promise<void> {
  const engine = engineOn(vfs);
  const { manifest } = await readManifest(vfs, DIRECTORY);
  assert.ok(manifest !== undefined);
  const instance = instanceIds(await vfs.instance(DIRECTORY));
  for (const shard of [0, 1]) {
    const place = { directory: `${DIRECTORY}/t-${shard}`, logId: manifest.id, id: shard, instance };
    const opened = await openShardForWriting(engine, place, false, new WriteModeChoice(engine.clock, false, false), {
      limits: { ...resolveLimits({ flushIntervalMs: Infinity }), segmentBytes: SEGMENT_BYTES },
      durability: "os",
      retention: resolveRetention(undefined),
      clock: engine.clock,
      budget: { used: 0, max: Infinity, waiting: new Set() },
      armTimer: () => {},
      disarmTimer: () => {},
      overBudget: () => {},
      onError: (error) => assert.fail(error),
    });
    const writer = opened.shard;
    for (const [i, sizes] of batches.entries()) {
      for (const size of sizes) {
        const offset = expected[shard].length;
        const record = recordAt(shard, offset, size + shard);
        assert.equal(writer.tryAppend(record), offset);
        expected[shard].push(inputAsText(shard, offset, record));
      }
      await writer.flush(i === 1 ? "disk" : "os");
    }
    if (closes) await writer.close();
  }
}

/** The process was killed within a write: part of a batch stands behind the last one of shard 0. */
function tear(vfs: MemoryVfs): void {
  const path = lastLog(vfs, 0);
  const bytes = vfs.readWhole(path);
  const torn = new Uint8Array(bytes.length + 40);
  torn.set(bytes);
  torn.set(bytes.subarray(0, 40), bytes.length);
  vfs.writeWhole(path, torn);
}

function lastLog(vfs: MemoryVfs, shard: number): string {
  return absolute(vfs).filter((path) => path.startsWith(shardFile(shard, "")) && path.endsWith(".log")).at(-1)!;
}

/** All paths, as the engine names them. */
export function absolute(vfs: MemoryVfs): string[] {
  return vfs.paths().map((path) => `/${path}`);
}

function golden(
  name: string,
  vfs: MemoryVfs,
  records: readonly (readonly string[])[],
  lastCommit: number = 0,
): Golden {
  const files = absolute(vfs).filter((path) => path.startsWith(DIRECTORY));
  const batches: StoredBatch[] = [];
  for (const file of files.filter((path) => path.endsWith(".log"))) {
    const shard = file.startsWith(shardFile(0, "")) ? 0 : 1;
    const bytes = vfs.readWhole(file);
    for (let position = 0; position + 61 <= bytes.length;) {
      const header = readHeader(bytes, position);
      batches.push({
        shard,
        file,
        position,
        bytes: header.bytes,
        first: header.baseOffset,
        last: header.lastOffset,
      });
      position += batchBytesAt(bytes, position);
    }
  }
  return { name, vfs, records, batches, files, lastCommit };
}
