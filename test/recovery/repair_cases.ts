/** Ways to damage a log, each with what a repair does about it. */
import type { MemoryVfs } from "../../adapters/memory.ts";
import { type Batch, batchesOf, damage, flip, type Life, range, segmentFile } from "./repair_log.ts";

/** Two openings of six batches: segments 0, 20 and 40, epoch 2 from offset 30 on. */
export const CLOSED: Life = { lives: [6, 6] };
export const KILLED: Life = { lives: [6, 6], ending: "kill", unsynced: 2 };
export const END = 60;

/** The batch that begins with an offset. */
export function batchAt(vfs: MemoryVfs, first: number): Batch {
  return batchesOf(vfs).find((batch) => batch.first === first)!;
}

export function withoutIndexes(vfs: MemoryVfs): MemoryVfs {
  for (const path of vfs.paths()) if (path.endsWith(".idx")) vfs.removeWhole(path);
  return vfs;
}

/** Writes a batch over another one. */
export function overwrite(vfs: MemoryVfs, at: Batch, from: Batch): void {
  const bytes = vfs.readWhole(from.file).slice(from.position, from.position + from.bytes);
  damage(vfs, at.file, (target) => target.set(bytes.subarray(0, target.length - at.position), at.position));
}

/** One way to damage a log, and what becomes of it. */
export interface Case {
  readonly what: string;
  readonly life?: Life;
  readonly indexes?: boolean;
  readonly change: (vfs: MemoryVfs) => void;
  /** Action, offsets and file of each finding. */
  readonly findings: readonly [string, readonly [number, number] | undefined, string][];
  readonly lost?: readonly number[];
  readonly earliest?: number;
}

export const S0 = "00000000000000000000.log";
const S20 = "00000000000000000020.log";
export const S40 = "00000000000000000040.log";

/** Flips a bit of a header field of the batch at offset 25, in the middle of segment 20. */
function header(what: string, byte: number, bit: number, restored: boolean, indexes: boolean): Case {
  return {
    what: `${what}, ${indexes ? "with" : "without"} the index`,
    indexes,
    change: (vfs) => flip(vfs, batchAt(vfs, 25).file, batchAt(vfs, 25).position + byte, bit),
    findings: [[restored ? "restore" : "void", [25, 29], S20]],
    lost: restored ? [] : range(25, 29),
  };
}

export const CASES: readonly Case[] = [
  {
    what: "a damaged body",
    change: (vfs) => flip(vfs, batchAt(vfs, 25).file, batchAt(vfs, 25).position + 100),
    findings: [["void", [25, 29], S20]],
    lost: range(25, 29),
  },
  {
    what: "a damaged body in a log that was not closed",
    life: KILLED,
    change: (vfs) => flip(vfs, batchAt(vfs, 25).file, batchAt(vfs, 25).position + 100),
    findings: [["void", [25, 29], S20]],
    lost: range(25, 29),
  },
  {
    what: "several damages in one segment and in others",
    change: (vfs) => {
      for (const first of [5, 20, 30, 45]) flip(vfs, batchAt(vfs, first).file, batchAt(vfs, first).position + 90);
    },
    findings: [["void", [5, 9], S0], ["void", [20, 24], S20], ["void", [30, 34], S20], ["void", [45, 49], S40]],
    lost: [...range(5, 9), ...range(20, 24), ...range(30, 34), ...range(45, 49)],
  },
  {
    what: "two damaged batches one behind the other",
    indexes: false,
    change: (vfs) => {
      for (const first of [25, 30]) flip(vfs, batchAt(vfs, first).file, batchAt(vfs, first).position + 90);
    },
    findings: [["void", [25, 29], S20], ["void", [30, 34], S20]],
    lost: range(25, 34),
  },
  {
    what: "zeros over a whole batch and half of the next one",
    indexes: false,
    change: (vfs) => {
      const { file, position, bytes } = batchAt(vfs, 20);
      damage(vfs, file, (content) => void content.fill(0, position, position + bytes + 100));
    },
    findings: [["void", [20, 29], S20]],
    lost: range(20, 29),
  },
  {
    what: "a segment of garbage",
    indexes: false,
    change: (vfs) => damage(vfs, segmentFile(0, 20), (content) => void content.fill(0x5a)),
    findings: [["void", [20, 39], S20]],
    lost: range(20, 39),
  },
  ...[true, false].flatMap((indexes) => [
    header("a base offset with a flipped bit", 6, 3, true, indexes),
    header("a length with a flipped bit", 10, 1, true, indexes),
    header("an epoch with a flipped bit", 14, 0, true, indexes),
    header("an epoch that is too high by a flipped bit", 15, 1, true, indexes),
    header("a magic byte with a flipped bit", 16, 0, true, indexes),
    header("a checksum with a flipped bit", 18, 4, indexes, indexes),
    header("a timestamp with a flipped bit", 30, 2, indexes, indexes),
    header("a count with a flipped bit", 60, 1, indexes, indexes),
  ]),
  {
    what: "headers of two batches one behind the other",
    change: (vfs) => {
      const batches = [batchAt(vfs, 25), batchAt(vfs, 30)];
      for (const { file, position } of batches) flip(vfs, file, position + 7, 6);
    },
    findings: [["restore", [25, 29], S20], ["restore", [30, 34], S20]],
  },
  {
    what: "the header of the last batch",
    indexes: false,
    change: (vfs) => flip(vfs, batchAt(vfs, 55).file, batchAt(vfs, 55).position + 18),
    findings: [["restore", [55, 59], S40]],
  },
  {
    what: "the body of the last batch",
    change: (vfs) => flip(vfs, batchAt(vfs, 55).file, batchAt(vfs, 55).position + 100),
    findings: [["void", [55, 59], S40]],
    lost: range(55, 59),
  },
  {
    what: "a missing segment",
    change: (vfs) => vfs.removeWhole(segmentFile(0, 20)),
    findings: [["void", [20, 39], S20]],
    lost: range(20, 39),
  },
  {
    what: "an empty segment",
    change: (vfs) => vfs.writeWhole(segmentFile(0, 20), new Uint8Array(0)),
    findings: [["void", [20, 39], S20]],
    lost: range(20, 39),
  },
  {
    what: "the first segment missing",
    change: (vfs) => vfs.removeWhole(segmentFile(0, 0)),
    findings: [["rewrite", [0, 19], "log-0"]],
    earliest: 20,
  },
  {
    what: "a segment cut between two batches",
    change: (vfs) => damage(vfs, segmentFile(0, 20), (content) => content.slice(0, batchAt(vfs, 30).position)),
    findings: [["rewrite", undefined, "00000000000000000020.idx"], ["void", [30, 39], "00000000000000000030.log"]],
    lost: range(30, 39),
  },
  {
    what: "a segment cut inside a batch",
    change: (vfs) => damage(vfs, segmentFile(0, 20), (content) => content.slice(0, batchAt(vfs, 30).position + 40)),
    findings: [["void", [30, 39], S20]],
    lost: range(30, 39),
  },
  {
    what: "the last segment missing: records that are simply gone",
    change: (vfs) => vfs.removeWhole(segmentFile(0, 40)),
    findings: [["void", [40, 59], S40]],
    lost: range(40, 59),
  },
  {
    what: "the last segment cut between two batches",
    change: (vfs) => damage(vfs, segmentFile(0, 40), (content) => content.slice(0, batchAt(vfs, 50).position)),
    findings: [["rewrite", undefined, "00000000000000000040.idx"], ["void", [50, 59], "00000000000000000050.log"]],
    lost: range(50, 59),
  },
  {
    what: "all segments missing",
    change: (vfs) => [0, 20, 40].forEach((base) => vfs.removeWhole(segmentFile(0, base))),
    findings: [["void", [0, 59], S0]],
    lost: range(0, 59),
  },
];
