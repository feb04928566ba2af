/** How properties run: for a time, from a seed that is printed and can be given again. */
import process from "node:process";
import { isFull } from "../exhaustive/engine.ts";
import { share } from "../fixtures/share.ts";

/** `FUZZ_SEED` of the environment, or a new one. */
export const SEED: number = Number(process.env.FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31));

/** Settings of a property: so many runs, or as many as the time allows. */
export function settings(numRuns: number, milliseconds: number): {
  seed: number;
  numRuns: number;
  interruptAfterTimeLimit: number | undefined;
  markInterruptAsFailure: boolean;
  endOnFailure: boolean;
} {
  return {
    seed: SEED,
    numRuns: isFull() ? numRuns * 20 : share(numRuns),
    // A replay runs as far as it has to.
    interruptAfterTimeLimit: isFull() || process.env.FUZZ_SEED !== undefined ? undefined : milliseconds,
    markInterruptAsFailure: false,
    endOnFailure: false,
  };
}
