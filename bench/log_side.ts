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

/** `tryAppend` of one value to one shard; each run makes a log and removes it. */
export function appendSide({ path, messages, rung, options }: AppendSideOptions): Side {
  const record = { value: makeValue() };
  return {
    async run() {
      const log = await openLog(path, options);
      const shard = log.shard(0);
      const seconds = await timed(async () => {
        for (let i = 0; i < messages; i++) {
          while (shard.tryAppend(record) === BACKPRESSURE) await shard.writable();
        }
        await shard.flush(rung);
      });
      await log.close();
      rmSync(path, { recursive: true });
      return seconds;
    },
  };
}
