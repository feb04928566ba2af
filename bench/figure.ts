/**
 * What a figure is: our side and its floor, run in turn in one process on one disk.
 *
 * @module
 */

/** Where and how large a figure runs. */
export interface Setting {
  /** An empty directory on the disk that is measured. */
  readonly directory: string;
  /** Messages of one run. */
  readonly messages: number;
}

/** One side, ready to be run again and again. */
export interface Side {
  /** Runs once and answers the seconds that count. */
  run(): Promise<number>;
}

/** The two sides of a figure. */
export interface Sides {
  readonly ours: Side;
  readonly floor: Side;
  /** Removes what they left behind. */
  close(): Promise<void>;
}

/** One figure. */
export interface Figure {
  readonly name: string;
  /** What our side does. */
  readonly title: string;
  /** What the floor does: the least that any such program must do. */
  readonly floor: string;
  /** The ratio to the floor that the project wants to reach; `undefined` where the goal is no ratio. */
  readonly goal: number | undefined;
  /** Messages of one run at full size. */
  readonly messages: number;
  prepare(setting: Setting): Promise<Sides>;
}

/** Size of a message's value in every figure, in bytes. */
export const VALUE_BYTES = 100;

/** A value of random letters: nothing can compress it away. */
export function makeValue(): Uint8Array {
  const value = new Uint8Array(VALUE_BYTES);
  for (let i = 0; i < value.length; i++) value[i] = 97 + Math.floor(Math.random() * 26);
  return value;
}

/** Seconds that `work` takes. */
export async function timed(work: () => Promise<void>): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}
