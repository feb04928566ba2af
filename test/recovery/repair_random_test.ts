/** Random damage, repaired: no wrong record, no used offset, and nothing lost that the damage did not touch. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type MemoryVfs, type SeededRandom, seededRandom } from "../../adapters/memory.ts";
import { VfsError } from "../../src/vfs.ts";
import { announceSeed } from "../fixtures/seed.ts";
import { share } from "../fixtures/share.ts";
import {
  type Batch,
  batchesOf,
  damage,
  expectRepaired,
  flip,
  makeLog,
  range,
  repair,
  segmentFile,
  shardFile,
} from "./repair_log.ts";

const RUNS = share(60);
const START = announceSeed("repair_random_test");

/** Damages one thing, and answers the offsets whose records that may cost. */
type Damager = (vfs: MemoryVfs, batch: Batch, random: SeededRandom, all: readonly Batch[]) => number[];

/** Offsets of the batches that a range of a file touches. */
function touched(all: readonly Batch[], file: string, from: number, to: number): number[] {
  return all.filter((batch) => batch.file === file && batch.position < to && batch.position + batch.bytes > from)
    .flatMap(({ first, last }) => range(first, last));
}

const DAMAGERS: Record<string, Damager> = {
  "flips a bit": (vfs, { file, position, bytes }, random, all) => {
    const at = position + random.below(bytes);
    flip(vfs, file, at, random.below(8));
    return touched(all, file, at, at + 1);
  },
  "flips a bit that no checksum covers": (vfs, { file, position }, random, all) => {
    flip(vfs, file, position + random.below(17), random.below(8));
    return touched(all, file, position, position + 1);
  },
  "writes zeros": (vfs, { file, position }, random, all) => {
    const bytes = 1 + random.below(400);
    damage(vfs, file, (content) => void content.fill(0, position, position + bytes));
    return touched(all, file, position, position + bytes);
  },
  "writes garbage": (vfs, { file, position }, random, all) => {
    const bytes = 1 + random.below(400);
    damage(vfs, file, (content) => {
      for (let i = position; i < Math.min(position + bytes, content.length); i++) content[i] = random.below(256);
    });
    return touched(all, file, position, position + bytes);
  },
  "writes a batch to the wrong place": (vfs, { file, position }, random, all) => {
    const other = random.pick(all);
    const bytes = new Uint8Array(other.bytes).map((_, i) => 31 * i);
    bytes.set(vfs.readWhole(other.file).slice(other.position, other.position + other.bytes));
    damage(vfs, file, (content) => content.set(bytes.subarray(0, content.length - position), position));
    return touched(all, file, position, position + other.bytes);
  },
  "cuts a segment off": (vfs, { file, position }, _random, all) => {
    damage(vfs, file, (content) => content.slice(0, position));
    return touched(all, file, position, Infinity);
  },
  "loses a segment": (vfs, { file }, _random, all) => {
    vfs.removeWhole(file);
    return touched(all, file, 0, Infinity);
  },
  "damages an index": (vfs, { segment }, random) => {
    const path = segmentFile(0, segment, "idx");
    flip(vfs, path, random.below(vfs.readWhole(path).length), random.below(8));
    return [];
  },
  "loses an index": (vfs, { segment }) => {
    vfs.removeWhole(segmentFile(0, segment, "idx"));
    return [];
  },
  "damages the state": (vfs, _batch, random) => {
    flip(vfs, shardFile(0, "state"), 4096 * random.below(2) + random.below(512), random.below(8));
    return [];
  },
  "loses the state": (vfs) => {
    vfs.removeWhole(shardFile(0, "state"));
    return [];
  },
  "damages the anchor": (vfs, _batch, random) => {
    flip(vfs, shardFile(0, "anchor"), 4096 * random.below(2) + random.below(512), random.below(8));
    return [];
  },
  "loses the manifest": (vfs) => {
    for (const name of ["bimip.json", "bimip.copy.json"]) vfs.writeWhole(`/data/log/${name}`, new Uint8Array(0));
    return [];
  },
};

/** Two damages of one log, in places of their own so that each is met as it was made. */
async function damageTwice(log: MemoryVfs, seed: number): Promise<void> {
  const random = seededRandom(seed);
  const vfs = log.snapshot().boot();
  const all = batchesOf(vfs);
  const end = all[all.length - 1].last + 1;
  const may = new Set<number>();
  const names: string[] = [];
  // Of the last batch of a log that was not closed only the newest slot of the anchor may speak.
  const inner = all.filter((batch) => batch.last + 1 < end);
  const first = random.pick(inner);
  // Without its index nothing tells what stands between two damages of one segment, so the other one hits another segment.
  const second = random.pick(inner.filter((batch) => batch.segment !== first.segment));
  for (const batch of [first, second]) {
    const name = random.pick(Object.keys(DAMAGERS));
    names.push(`${name} at offset ${batch.first}`);
    try {
      for (const offset of DAMAGERS[name](vfs, batch, random, all)) may.add(offset);
    } catch (error) {
      // What was lost cannot be damaged any more.
      if (!(error instanceof VfsError && error.code === "NOT_FOUND")) throw error;
    }
  }
  try {
    await expectGood(vfs, end, may);
  } catch (cause) {
    throw new Error(`SEED=${seed}: ${names.join(", ")}: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    });
  }
}

/** Repairs, and holds the result against the offsets that may be lost. */
async function expectGood(vfs: MemoryVfs, end: number, may: ReadonlySet<number>): Promise<void> {
  const { findings } = await repair(vfs);
  const lost = findings.flatMap(({ action, range: offsets }) =>
    offsets === undefined || action === "restore" ? [] : range(...offsets)
  );
  const earliest = Math.min(...batchesOf(vfs).map((batch) => batch.segment));
  for (const offset of [...lost, ...range(0, earliest - 1)]) {
    assert.ok(may.has(offset), `lost offset ${offset}, which was not touched`);
  }
  if (findings.length > 0) await expectRepaired(vfs, { nextOffset: end, lost, earliest });
}

describe("random damage", () => {
  for (const ending of ["close", "kill"] as const) {
    it(`is repaired in a log that ended with a ${ending}`, async () => {
      const log = await makeLog({ lives: [6, 7], ending });
      for (let run = 0; run < RUNS; run++) {
        await damageTwice(log, (START + run) % 0x7fff_ffff);
      }
    });
  }
});
