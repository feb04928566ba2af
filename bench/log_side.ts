/**
 * Our side of the figures that append the same small value again and again.
 *
 * @module
 */
import { rmSync } from "node:fs";
import { BACKPRESSURE, openLog, type OpenOptions, type Rung } from "../mod.ts";
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

/** `tryAppend` of one value to one shard; each run makes a log and removes it. */
export function appendSide({ path, messages, rung, options }: AppendSideOptions): Side {
  const record = { value: makeValue() };
  return {
    async run() {
      const log = await openLog(path, options);
      const shard = log.shard(0);
      const fill = (from: number): number => {
        let i = from;
        while (i < messages && shard.tryAppend(record) !== BACKPRESSURE) i++;
        return i;
      };
      const seconds = await timed(async () => {
        await appendAll(messages, fill, () => shard.writable());
        await shard.flush(rung);
      });
      await log.close();
      rmSync(path, { recursive: true });
      return seconds;
    },
  };
}
