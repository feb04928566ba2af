/**
 * What many shards cost: the same load spread over 64, each record to the next shard.
 *
 * @module
 */
import { rmSync } from "node:fs";
import { BACKPRESSURE, openLog } from "../../mod.ts";
import { makeValue, type PairFigure, type Setting, type Side, timed } from "../figure.ts";
import { appendAll } from "../log_side.ts";

export const shards64: PairFigure = {
  name: "shards_64",
  title: "tryAppend of 100-byte values, each to the next of 64 shards whose files are there already, rung os",
  floor: "the same load on one shard",
  sideName: "one shard",
  goal: 0.85,
  messages: 3_000_000,
  prepare: (setting) =>
    Promise.resolve({ ours: side(setting, 64), floor: side(setting, 1), close: () => Promise.resolve() }),
};

/** Both sides run this very loop: finding the shard costs the same. */
function side({ directory, messages }: Setting, count: number): Side {
  const record = { value: makeValue() };
  return {
    async run() {
      const path = `${directory}/log-of-${count}`;
      const log = await openLog(path, { shards: count, topic: "log" });
      const shards = log.shards;
      // The first record of a shard creates its files, with syncs: a cost for each shard, not for each record.
      for (const shard of shards) shard.tryAppend(record);
      await log.flush("os");
      const fill = (from: number): number => {
        let i = from;
        while (i < messages && shards[i % count].tryAppend(record) !== BACKPRESSURE) i++;
        return i;
      };
      const seconds = await timed(async () => {
        await appendAll(messages, fill, (i) => shards[i % count].writable());
        await log.flush("os");
      });
      await log.close();
      rmSync(path, { recursive: true });
      return seconds;
    },
  };
}
