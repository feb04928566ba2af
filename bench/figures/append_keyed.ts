/**
 * What keys cost: records of 100,000 users, to the one shard there is.
 *
 * @module
 */
import { rmSync } from "node:fs";
import { BACKPRESSURE, openLog } from "../../mod.ts";
import { makeValue, type PairFigure, type Setting, type Sides, timed } from "../figure.ts";
import { appendAll, appendSide } from "../log_side.ts";

const USERS = 100_000;
/** No factor of the number of users: all come, neighbours far apart. */
const STEP = 61_803;

export const appendKeyed: PairFigure = {
  name: "append_keyed",
  title: "tryAppend of 100-byte values with text keys of 100,000 users and no index of them, one shard, rung os",
  floor: "the same values without keys",
  sideName: "keyless",
  goal: 0.7,
  messages: 3_000_000,
  prepare: (setting) => Promise.resolve(sides(setting)),
};

function sides({ directory, messages }: Setting): Sides {
  const keys = Array.from({ length: USERS }, (_, i) => `user-${String(i * STEP % USERS).padStart(5, "0")}`);
  const value = makeValue();
  return {
    ours: {
      async run() {
        const path = `${directory}/log`;
        // What the index costs is a figure of its own.
        const log = await openLog(path, { userStride: 0 });
        const shard = log.shard(0);
        const record = { key: "", value };
        const fill = (from: number): number => {
          for (let i = from; i < messages; i++) {
            record.key = keys[i % USERS];
            if (shard.tryAppend(record) === BACKPRESSURE) return i;
          }
          return messages;
        };
        const seconds = await timed(async () => {
          await appendAll(messages, fill, () => shard.writable());
          await shard.flush("os");
        });
        await log.close();
        rmSync(path, { recursive: true });
        return seconds;
      },
    },
    floor: appendSide({ path: `${directory}/keyless`, messages, rung: "os" }),
    close: () => Promise.resolve(),
  };
}
