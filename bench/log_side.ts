/**
 * Our side of the figures that append the same small value again and again.
 *
 * @module
 */
import { rmSync } from "node:fs";
import { BACKPRESSURE, openLog, type OpenOptions, type RecordInput, type Rung } from "../mod.ts";
import { makeValue, type Side, timed } from "./figure.ts";

/** How {@linkcode appendSide} appends. */
export interface AppendSideOptions {
  readonly path: string;
  readonly messages: number;
  /** What counts as done. */
  readonly rung: Rung;
  readonly options?: OpenOptions;
}

/**
 * Appends from the first to the last message, however often the log refuses.
 *
 * @param fill Appends from a message on and answers how many there are now: fewer than all where one was refused. A function of its own
 * that is not `async`: the runtimes compile such a loop better, Bun by a third.
 * @param writable Waits until the refused one is worth another try.
 */
export async function appendAll(
  messages: number,
  fill: (from: number) => number,
  writable: (refused: number) => Promise<void>,
): Promise<void> {
  let appended = fill(0);
  while (appended < messages) {
    await writable(appended);
    appended = fill(appended);
  }
}

/** What records are appended to: a shard, or a producer in a worker. */
interface Target {
  tryAppend(record: RecordInput): number | typeof BACKPRESSURE;
  writable(): Promise<void>;
}

/** Appends one record so many times. */
export function appendRepeatedly(to: Target, record: RecordInput, count: number): Promise<void> {
  const fill = (from: number): number => {
    let i = from;
    while (i < count && to.tryAppend(record) !== BACKPRESSURE) i++;
    return i;
  };
  return appendAll(count, fill, () => to.writable());
}

/** Appends so many records, those of a list in turn. */
export function appendInTurn(to: Target, records: readonly RecordInput[], count: number): Promise<void> {
  const fill = (from: number): number => {
    let i = from;
    while (i < count && to.tryAppend(records[i % records.length]) !== BACKPRESSURE) i++;
    return i;
  };
  return appendAll(count, fill, () => to.writable());
}

/** `tryAppend` of one value to one shard; each run makes a log and removes it. */
export function appendSide({ path, messages, rung, options }: AppendSideOptions): Side {
  const record = { value: makeValue() };
  return {
    async run() {
      const log = await openLog(path, options);
      const shard = log.shard(0);
      const seconds = await timed(async () => {
        await appendRepeatedly(shard, record, messages);
        await shard.flush(rung);
      });
      await log.close();
      rmSync(path, { recursive: true });
      return seconds;
    },
  };
}
