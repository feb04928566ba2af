/** What can be under way when a crash comes or a fault strikes. */

/** Operations of a program on an open log. */
export const WRITES: readonly string[] = [
  "tryAppend",
  "tryAppendBatch",
  "append",
  "writable",
  "flush",
  "flushAll",
  "acknowledged",
  "trim",
  "advance",
  "yield",
];
export const READS: readonly string[] = [
  "readRange",
  "readMerged",
  "readSelected",
  "readUser",
  "readByTime",
  "follow",
  "openBeside",
];

/** Coarser: what a fault is counted by. */
export type Stage = "opening" | "writing" | "reading" | "closing";

/** The stage that a phase belongs to. */
export function stageOf(phase: string): Stage {
  if (READS.includes(phase)) return "reading";
  if (phase === "close") return "closing";
  return phase === "creation" || phase === "opening" || phase === "recovery" ? "opening" : "writing";
}
