/** How much of it a run does: little by default, more where the environment says so. */
import process from "node:process";
import { share } from "../fixtures/share.ts";

/** A count from the environment. */
export function countFrom(name: string, fallback: number): number {
  const text = process.env[name];
  if (text === undefined) return fallback;
  const count = text === "all" ? Infinity : Number(text);
  if (!(count >= 0)) throw new RangeError(`Cannot use ${name}=${text}: it must be a number from 0, or "all"`);
  return count;
}

/** Writers killed at random moments, for each runtime. */
export const KILLS: number = countFrom("FAULT_KILLS", 12);
/** Power cuts on Node; on the others a third: what a disk has kept does not depend on who wrote it. */
export const CUTS: number = share(countFrom("FAULT_CUTS", 8));
/** System calls at which a writer is killed, for each runtime; `all` for every one. */
export const POINTS: number = countFrom("FAULT_POINTS", 5);

/** Counts of what happened, in the order of the first time. */
export class Tally {
  readonly #counts = new Map<string, number>();

  add(what: string, count = 1): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + count);
  }

  toString(): string {
    return [...this.#counts].map(([what, count]) => `${count} ${what}`).join(", ");
  }
}
