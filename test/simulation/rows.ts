/**
 * What a long simulation must have met, and how it is printed: every row is declared here, so that one that never happens shows as
 * 0 and is not merely absent. A run in which one of them is rare proves less than it says.
 *
 * Not rows, since they are violations: `corrupt` after any crash of an honest disk, anything but `clean` after a close, and an error
 * without a fault. Not rows, since nothing can come of it: faults of writes and syncs while reading, and reads while closing.
 */
import { READS, type Stage, WRITES } from "./phases.ts";
import { FAULT_KINDS } from "./simulation.ts";
import type { Tally } from "./tally.ts";

/** Of every schedule. */
export const FEWEST_OPERATIONS = 30;
/** Of every schedule. */
export const FEWEST_SHARDS = 2;
/** Share of the schedules that must have crashed inside recovery. */
export const INTERRUPTED_SHARE = 0.1;

/** Counters printed together; their full names are `<title>: <row>`. */
export interface Group {
  readonly title: string;
  readonly rows: readonly string[];
}

const PHASES: readonly string[] = ["creation", "opening", "recovery", ...WRITES, ...READS, "close", "idleness"];

/** Faults that any operation can meet. */
const FAULTS_OF_ALL: readonly string[] = ["errorBefore", "errorAfter", "delay"];
const FAULTS_OF_STAGE: { readonly [stage in Stage]: readonly string[] } = {
  opening: FAULT_KINDS,
  writing: FAULT_KINDS.filter((kind) => kind !== "flippedBit"),
  reading: [...FAULTS_OF_ALL, "flippedBit"],
  closing: FAULT_KINDS.filter((kind) => kind !== "flippedBit"),
};

/** Every row, in the order of printing. */
export const GROUPS: readonly Group[] = [
  { title: "schedule", rows: ["crashes", "errors", "weak", "lying", "answered at once", "answered later"] },
  { title: "schedule", rows: ["with a crash inside recovery"] },
  { title: "verdict after close", rows: ["clean"] },
  { title: "verdict after process", rows: ["clean", "torn", "loss"] },
  { title: "verdict after power", rows: ["clean", "torn", "loss"] },
  { title: "verdict on a weak disk", rows: ["clean", "torn", "loss", "corrupt"] },
  { title: "verdict on a lying disk", rows: ["clean", "torn", "loss", "corrupt"] },
  { title: "loss on a weak disk", rows: ["cut off", "left as it is"] },
  { title: "life", rows: ["closed", "given up on a lying disk", "given up on a weak disk"] },
  ...(["process", "power"] as const).map((kind) => ({ title: `crash by ${kind} in`, rows: PHASES })),
  { title: "crash", rows: ["with operations in flight"] },
  { title: "recovery", rows: ["interrupted by a crash", "interrupted twice", "records lost that nobody was promised"] },
  { title: "recovery", rows: ["shards with a log start"] },
  { title: "recovery", rows: ["0", "1", "2", "3 or more"].map((count) => `shards with ${count} segments`) },
  { title: "fault", rows: FAULT_KINDS },
  ...(Object.keys(FAULTS_OF_STAGE) as Stage[]).map((stage) => ({
    title: `fault while ${stage}`,
    rows: FAULTS_OF_STAGE[stage],
  })),
  { title: "error", rows: ["IO", "DISK_FULL", "POISONED", "LOCKED", "DATA_LOSS"] },
  { title: "in flight at a crash", rows: ["landed", "lost", "prefix"] },
  {
    title: "power loss writes",
    rows: ["kept", "dropped", "torn", "sectors", "blocks", "zeros", "garbage", "stale"],
  },
  { title: "power loss truncates", rows: ["kept", "undone"] },
  { title: "power loss entries", rows: ["kept", "dropped"] },
  { title: "power loss", rows: ["sizesBehind"] },
  { title: "operation", rows: [...WRITES, ...READS, "backpressure"] },
  {
    title: "reading",
    rows: ["records followed", "records beside the writer", "gaps on a lying disk", "told what was dropped"],
  },
  { title: "producer", rows: ["taken", "sent again", "refused"] },
  { title: "consumer", rows: ["delivered", "committed", "told what was dropped"] },
  { title: "invariant", rows: ["crash states", "variants", "recovered twice"] },
];

/** The rows that happened less often than `bound`, with their counts. */
export function rareRows(tally: Tally, bound: number): string[] {
  const rare: string[] = [];
  for (const { title, rows } of GROUPS) {
    for (const row of rows) {
      const count = tally.get(`${title}: ${row}`);
      if (count < bound) rare.push(`${title}: ${row} ${count}`);
    }
  }
  return rare;
}

/** All groups as tables of name and count, several rows a line. Counters that are no row follow at the end. */
export function formatRows(tally: Tally): string {
  const declared = new Set<string>();
  const lines: string[] = [];
  let last = "";
  for (const { title, rows } of GROUPS) {
    if (title !== last) lines.push(title);
    last = title;
    const cells = rows.map((row) => {
      const name = `${title}: ${row}`;
      declared.add(name);
      return `${String(tally.get(name)).padStart(11)}  ${row}`;
    });
    for (const line of inColumns(cells)) lines.push(line);
  }
  const others = [...tally.counts.keys()].filter((name) => !declared.has(name)).sort();
  if (others.length > 0) {
    lines.push(
      "beside",
      ...inColumns(others.map((name) => `${String(tally.get(name)).padStart(11)}  ${name}`)),
    );
  }
  return lines.join("\n");
}

const COLUMNS = 3;
const COLUMN_CHARACTERS = 42;

function inColumns(cells: readonly string[]): string[] {
  const lines: string[] = [];
  for (let i = 0; i < cells.length; i += COLUMNS) {
    lines.push(cells.slice(i, i + COLUMNS).map((cell) => cell.padEnd(COLUMN_CHARACTERS)).join("").trimEnd());
  }
  return lines;
}
