/**
 * Group commit: records acknowledged on rung `disk`, as many in flight as the buffer takes.
 *
 * @module
 */
import { rmSync } from "node:fs";
import { BACKPRESSURE, openLog } from "../../mod.ts";
import { runtimeVfs } from "../../adapters/runtime.ts";
import { type Figure, makeValue, type Setting, type Sides, timed, VALUE_BYTES } from "../figure.ts";
import { WRITE_BYTES } from "../raw_writer.ts";

export const syncedAppend: Figure = {
  name: "synced_append",
  title: "tryAppend of 100-byte values, one shard, durability disk: synced before acknowledgement",
  floor: "1 MiB writes of the same number of bytes, each synced",
  goal: 0.85,
  messages: 1_000_000,
  prepare: (setting) => Promise.resolve(sides(setting)),
};

function sides({ directory, messages }: Setting): Sides {
  const value = makeValue();
  const vfs = runtimeVfs();
  return {
    ours: {
      async run() {
        const path = `${directory}/log`;
        const log = await openLog(path, { durability: "disk" });
        const shard = log.shard(0);
        const record = { value };
        const seconds = await timed(async () => {
          for (let i = 0; i < messages; i++) {
            while (shard.tryAppend(record) === BACKPRESSURE) await shard.writable();
          }
          await shard.flush("disk");
        });
        await log.close();
        rmSync(path, { recursive: true });
        return seconds;
      },
    },
    floor: {
      async run() {
        const path = `${directory}/floor`;
        const block = new Uint8Array(WRITE_BYTES).fill(97);
        const seconds = await timed(async () => {
          const file = await vfs.open(path, "create");
          const bytes = messages * (VALUE_BYTES + 9);
          for (let position = 0; position < bytes; position += WRITE_BYTES) {
            await file.write(block.subarray(0, Math.min(WRITE_BYTES, bytes - position)), position);
            await file.sync();
          }
          await file.close();
        });
        rmSync(path);
        return seconds;
      },
    },
    close: () => Promise.resolve(),
  };
}
