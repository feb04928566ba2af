/**
 * What a figure is: our side and its floor, run in turn in one process on one disk; or named values, each with a goal of its own.
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

/** One number for each of the figure's values, by name. */
export type Readings = Readonly<Record<string, number>>;

/** The two sides of a figure. */
export interface Sides {
  readonly ours: Side;
  readonly floor: Side;
  /** The figure's values, asked for after each pair. */
  readings?(): Promise<Readings>;
  /** Removes what they left behind. */
  close(): Promise<void>;
}

/** Something that is measured as it is, without another side. */
export interface Measurement {
  /** Runs once. */
  run(): Promise<Readings>;
  /** Removes what it left behind. */
  close(): Promise<void>;
}

/** A value that a figure reports by name. */
export interface Value {
  readonly name: string;
  /** Empty for a ratio. */
  readonly unit: string;
  /** The goals that the project wants to reach, of the median. */
  readonly atMost?: number;
  readonly atLeast?: number;
}

interface AnyFigure {
  readonly name: string;
  /** What our side does. */
  readonly title: string;
  /** Messages of one run at full size. */
  readonly messages: number;
  /** Messages of one run in the tests. @default {3000} */
  readonly tinyMessages?: number;
  /** It takes minutes: it runs only where it is asked for by name. @default {false} */
  readonly isOnlyNamed?: boolean;
  /** Node and Bun take the library as npm has it, not its sources. @default {false} */
  readonly isOfPackage?: boolean;
  /** What it reports beside the ratio, or instead of it. */
  readonly values?: readonly Value[];
}

/** A figure that is a ratio to another side. */
export interface PairFigure extends AnyFigure {
  /** What the other side does. A floor is the least that any such program must do. */
  readonly floor: string;
  /** What the other side is called. @default {"floor"} */
  readonly sideName?: string;
  /** The ratio to the floor that the project wants to reach; `undefined` where the goal is no ratio. */
  readonly goal: number | undefined;
  prepare(setting: Setting): Promise<Sides>;
}

/** A figure that is values only. */
export interface ValueFigure extends AnyFigure {
  /** How it is measured. */
  readonly how: string;
  readonly values: readonly Value[];
  measure(setting: Setting): Promise<Measurement>;
}

/** One figure. */
export type Figure = PairFigure | ValueFigure;

/** Size of a message's value in every figure, in bytes. */
export const VALUE_BYTES = 100;

/** Bytes that a record of Kafka's format adds to a value of this size. */
export const FRAMING_BYTES = 9;

/** A value of random letters: nothing can compress it away. */
export function makeValue(): Uint8Array {
  const value = new Uint8Array(VALUE_BYTES);
  for (let i = 0; i < value.length; i++) value[i] = 97 + Math.floor(Math.random() * 26);
  return value;
}

/** As many different ones as a batch has: it must not be compressed to one of them. */
const RECORDS = 512;

/** Records with different values, to be appended in turn. */
export function makeRecords(): { readonly value: Uint8Array }[] {
  return Array.from({ length: RECORDS }, () => ({ value: makeValue() }));
}

/** Seconds that `work` takes. */
export async function timed(work: () => Promise<void>): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}
