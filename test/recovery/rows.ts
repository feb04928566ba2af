/** States of files, and what opening must make of each: the rows of the table that `table_test.ts` goes through. */
import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BatchBuilder, type LogErrorCode } from "../../mod.ts";
import { patchBatch } from "../../src/batch/format.ts";
import { filled } from "../helpers.ts";
import { extend, flip, indexOf, overwrite, shorten, type StoredBatch } from "./damage.ts";

/** The files that a row breaks, as they were before. */
export interface Files {
  readonly directory: string;
  readonly shard: string;
  readonly segments: readonly string[];
  readonly batches: readonly StoredBatch[];
  /** The segment that was written last. */
  readonly active: string;
  readonly last: StoredBatch;
  readonly anchors: ReadonlyMap<string, Uint8Array>;
}

/** What an opening must make of it. */
export interface Expected {
  readonly verdict: "clean" | "torn" | "corrupt" | "loss";
  /** Records that remain. */
  readonly records?: number;
  readonly cutBytes?: number;
  /** Content of the file that was kept aside; without: there is none. */
  readonly kept?: Uint8Array;
  /** The code with which the opening is refused unless loss is accepted. */
  readonly refused?: LogErrorCode;
  /** Ranges that cannot be read, among the records that remain. */
  readonly gaps?: readonly (readonly [number, number])[];
  /** Files that are there afterwards, as they were. */
  readonly untouched?: readonly string[];
}

/** One state of the files. */
export interface Row {
  readonly what: string;
  readonly how: "closed" | "killed";
  readonly rebooted?: boolean;
  /** Breaks the files, and answers what must come of it. */
  readonly damage: (files: Files) => Expected;
}

const SLOTS = [0, 4096];
const zeros = (bytes: number): Uint8Array => new Uint8Array(bytes);

/** A batch of two records that would continue the log. */
function nextBatch(baseOffset: number, epoch: number): Uint8Array {
  const builder = new BatchBuilder();
  for (let i = 0; i < 2; i++) builder.add({ value: `${baseOffset + i} `.padEnd(100, "."), timestamp: 2000 });
  const blob = builder.finish();
  patchBatch(blob, 0, baseOffset, epoch);
  return blob;
}

/** The bytes of a file from a position on. */
function bytesFrom(file: string, position: number): Uint8Array {
  return new Uint8Array(readFileSync(file)).subarray(position);
}

/** All of them. */
export const rows: Row[] = [];
for (const how of ["closed", "killed"] as const) {
  const row = (what: string, damage: Row["damage"], rebooted = false): void =>
    void rows.push({ what, how, rebooted, damage });
  row("untouched", () => ({ verdict: "clean" }));
  row("untouched", () => ({ verdict: "clean" }), true);

  for (const cut of [1, 11, 60, 61, 100, -1]) {
    row(`a batch behind the end, cut at byte ${cut < 0 ? "last but one" : cut} [fault 15]`, ({ active }) => {
      const tail = nextBatch(100, 2).slice(0, cut);
      extend(active, tail);
      // Zeros alone are not worth keeping.
      return { verdict: "torn", cutBytes: tail.length, ...(cut === 1 ? {} : { kept: tail }) };
    });
  }
  row("a whole batch behind the end that was never acknowledged", ({ active }) => {
    extend(active, nextBatch(100, 2));
    return { verdict: "clean", records: 102 };
  });
  row("a batch of another offset behind the end [fault 22]", ({ active }) => {
    const tail = nextBatch(103, 2);
    extend(active, tail);
    return { verdict: "torn", cutBytes: tail.length, kept: tail };
  });
  row("a batch of an epoch that never was behind the end [fault 22]", ({ active }) => {
    const tail = nextBatch(100, 3);
    extend(active, tail);
    return { verdict: "torn", cutBytes: tail.length, kept: tail };
  });
  row("a batch of an earlier life behind the end [fault 39]", ({ active }) => {
    const tail = nextBatch(100, 1);
    extend(active, tail);
    return { verdict: "torn", cutBytes: tail.length, kept: tail };
  });
  for (const rebooted of [false, true]) {
    row("zeros behind the end [fault 17]", ({ active }) => {
      extend(active, zeros(5000));
      return { verdict: "torn", cutBytes: 5000 };
    }, rebooted);
    row("garbage behind the end [fault 18]", ({ active }) => {
      extend(active, filled(3000, 5));
      return { verdict: "torn", cutBytes: 3000, kept: filled(3000, 5) };
    }, rebooted);
    row("zeros, then garbage behind the end [faults 17, 18]", ({ active }) => {
      const tail = new Uint8Array([...zeros(2000), ...filled(500, 6)]);
      extend(active, tail);
      return { verdict: "torn", cutBytes: 2500, kept: tail };
    }, rebooted);
    row("no anchor [fault 29]", ({ shard }) => {
      rmSync(join(shard, "anchor"));
      return { verdict: "clean" };
    }, rebooted);
    row("an empty anchor [fault 31]", ({ shard }) => {
      writeFileSync(join(shard, "anchor"), "");
      return { verdict: "clean" };
    }, rebooted);
    row("both anchor slots destroyed [fault 29]", ({ shard }) => {
      for (const slot of SLOTS) overwrite(join(shard, "anchor"), slot, filled(512, 3));
      return { verdict: "clean" };
    }, rebooted);
    for (const slot of SLOTS) {
      row(`the anchor's slot at ${slot} destroyed [fault 29]`, ({ shard }) => {
        flip(join(shard, "anchor"), slot + 90, 5);
        return { verdict: "clean" };
      }, rebooted);
    }
    for (const moment of ["20", "30", "45", "60", "80"]) {
      row(`the anchor of the moment when ${moment} were written [fault 37]`, ({ shard, anchors }) => {
        writeFileSync(join(shard, "anchor"), anchors.get(moment)!);
        return { verdict: "clean" };
      }, rebooted);
    }
    for (const slot of SLOTS) {
      row(`the state's slot at ${slot} destroyed [fault 29a]`, ({ shard }) => {
        flip(join(shard, "state"), slot + 44, 1);
        return { verdict: "clean" };
      }, rebooted);
    }
    row("both state slots destroyed [fault 29a]", ({ shard }) => {
      for (const slot of SLOTS) flip(join(shard, "state"), slot + 44, 1);
      return { verdict: "corrupt" };
    }, rebooted);
    row("no state", ({ shard }) => {
      rmSync(join(shard, "state"));
      return { verdict: "corrupt" };
    }, rebooted);
    row("no index of the last segment", ({ active }) => {
      rmSync(indexOf(active));
      return { verdict: "clean" };
    }, rebooted);
    row("an empty index [fault 31]", ({ active }) => {
      writeFileSync(indexOf(active), "");
      return { verdict: "clean" };
    }, rebooted);
    row("no index at all", ({ segments }) => {
      for (const segment of segments) rmSync(indexOf(segment));
      return { verdict: "clean" };
    }, rebooted);
    row("a flipped bit in a finished segment", ({ segments, batches }) => {
      const batch = batches.find(({ file }) => file === segments[1])!;
      flip(batch.file, batch.position + 70);
      return { verdict: "clean", gaps: [[batch.first, batch.last]] };
    }, rebooted);
    row("files of somebody else [fault 34]", ({ shard }) => {
      const names = ["00000000000000000000.log~", "notes.txt", "00000000000000000000.index", "1.log", "state.tmp"];
      for (const name of names) writeFileSync(join(shard, name), "x");
      return { verdict: "clean", untouched: names };
    }, rebooted);
    row("no segment in the middle [fault 32]", ({ segments, batches }) => {
      const gone = batches.filter(({ file }) => file === segments[1]);
      rmSync(segments[1]);
      return { verdict: "clean", gaps: [[gone[0].first, gone.at(-1)!.last]] };
    }, rebooted);
  }

  const sure = how === "closed" ? [false, true] : [false];
  for (const rebooted of sure) {
    for (const [where, at] of [["records", 70], ["checksum", 18], ["base offset", 7], ["length", 11]] as const) {
      row(`a flipped bit in the last batch's ${where} [fault 27]`, ({ active, last }) => {
        flip(active, last.position + at);
        return { verdict: "corrupt", gaps: [[last.first, last.last]] };
      }, rebooted);
    }
    row("a flipped bit in the last segment, not in the last batch [fault 26]", ({ active, batches }) => {
      const batch = batches.filter(({ file }) => file === active).at(-2)!;
      flip(active, batch.position + 70);
      return { verdict: "clean", gaps: [[batch.first, batch.last]] };
    }, rebooted);
    row("no last segment [fault 33]", ({ active, batches }) => {
      rmSync(active);
      return { verdict: "loss", refused: "DATA_LOSS", records: batches.find(({ file }) => file === active)!.first };
    }, rebooted);
    row("no segment at all", ({ segments }) => {
      for (const segment of segments) rmSync(segment);
      return { verdict: "loss", refused: "DATA_LOSS", records: 0 };
    }, rebooted);
    for (const bytes of [1, 150]) {
      row(`the last segment ${bytes} bytes shorter [fault 33]`, ({ active, batches, last }) => {
        shorten(active, bytes);
        const left = batches.filter(({ file, position, bytes: size }) =>
          file === active && position + size <= last.position + last.bytes - bytes
        );
        const torn = bytesFrom(active, left.at(-1)!.position + left.at(-1)!.bytes);
        return {
          verdict: "loss",
          refused: "DATA_LOSS",
          records: left.at(-1)!.last + 1,
          cutBytes: torn.length,
          kept: torn,
        };
      }, rebooted);
    }
  }
}

/** Killed and then rebooted: what lies behind offset 60 may be lost, in any way. */
const lost = (what: string, damage: Row["damage"]): void =>
  void rows.push({ what, how: "killed", rebooted: true, damage });
const at = (batches: readonly StoredBatch[], offset: number): StoredBatch =>
  batches.find(({ first, last }) => first <= offset && offset <= last)!;
for (const [what, keep] of [["nothing", 0], ["half a header", 30], ["half a batch", 100]] as const) {
  lost(`the last batch is torn: ${what} of it is left [faults 15, 19, 20]`, ({ active, last }) => {
    const tail = bytesFrom(active, last.position).slice(0, keep);
    shorten(active, last.bytes - keep);
    return keep === 0
      ? { verdict: "clean", records: last.first }
      : { verdict: "torn", records: last.first, cutBytes: keep, kept: tail };
  });
}
lost("the last batch is zeros [faults 17, 19]", ({ active, last }) => {
  overwrite(active, last.position, zeros(last.bytes));
  return { verdict: "torn", records: last.first, cutBytes: last.bytes };
});
lost(
  "a batch in the middle of what was not synced is zeros, those behind it are there [fault 21]",
  ({ active, batches }) => {
    const batch = batches.find(({ file }) => file === active)!;
    overwrite(active, batch.position, zeros(batch.bytes));
    const rest = bytesFrom(active, batch.position);
    return { verdict: "loss", records: batch.first, cutBytes: rest.length, kept: rest };
  },
);
lost("the last segment is gone [faults 19, 33]", ({ active, batches }) => {
  rmSync(active);
  return { verdict: "clean", records: batches.find(({ file }) => file === active)!.first };
});
lost("the last segment is there, what lies before it is torn [fault 21]", ({ active, segments, batches }) => {
  const before = segments.at(-2)!;
  const batch = batches.filter(({ file }) => file === before).at(-1)!;
  assert.ok(batch.first >= 60);
  shorten(before, 10);
  const torn = bytesFrom(before, batch.position);
  assert.notEqual(before, active);
  return { verdict: "loss", records: batch.first, cutBytes: torn.length, kept: torn };
});
lost("a flipped bit in what was synced long ago", ({ batches }) => {
  const batch = at(batches, 50);
  flip(batch.file, batch.position + 70);
  return { verdict: "clean", gaps: [[batch.first, batch.last]] };
});
lost("what was synced is cut [fault 19]", ({ segments, batches }) => {
  const batch = at(batches, 55);
  for (const segment of segments.filter((file) => file > batch.file)) rmSync(segment);
  const content = readFileSync(batch.file);
  writeFileSync(batch.file, content.subarray(0, batch.position));
  return { verdict: "loss", refused: "DATA_LOSS", records: batch.first };
});
