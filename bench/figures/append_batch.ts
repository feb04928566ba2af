/**
 * `tryAppendBatch`: ready-to-write blobs, one shard, acknowledged by the operating system.
 *
 * @module
 */
import { rmSync } from "node:fs";
import { BACKPRESSURE, BatchBuilder, openLog } from "../../mod.ts";
import { runtimeVfs } from "../../adapters/runtime.ts";
import { makeValue, type PairFigure, type Setting, type Sides, timed } from "../figure.ts";
import { RawWriter, WRITE_BYTES } from "../raw_writer.ts";

export const appendBatch: PairFigure = {
  name: "append_batch",
  title: "tryAppendBatch of ready 64 KiB blobs of 100-byte values, one shard, rung os",
  floor: "1 MiB writes of the same number of bytes, nothing done to them",
  goal: 0.9,
  messages: 5_000_000,
  prepare: (setting) => Promise.resolve(sides(setting)),
};

function sides({ directory, messages }: Setting): Sides {
  const builder = new BatchBuilder();
  const value = makeValue();
  while (builder.add({ value }));
  const records = builder.count;
  const blob = builder.finish();
  const blobs = Math.max(1, Math.round(messages / records));
  const vfs = runtimeVfs();
  return {
    ours: {
      async run() {
        const path = `${directory}/log`;
        const log = await openLog(path);
        const shard = log.shard(0);
        const seconds = await timed(async () => {
          for (let i = 0; i < blobs; i++) {
            while (shard.tryAppendBatch(blob) === BACKPRESSURE) await shard.writable();
          }
          await shard.flush("os");
        });
        await log.close();
        rmSync(path, { recursive: true });
        return seconds;
      },
    },
    floor: {
      async run() {
        const path = `${directory}/floor`;
        const seconds = await timed(async () => {
          const writer = await RawWriter.create(vfs, path);
          for (let left = blobs * blob.length; left > 0; left -= WRITE_BYTES) {
            await writer.submit(Math.min(left, WRITE_BYTES));
          }
          await writer.close();
        });
        rmSync(path);
        return seconds;
      },
    },
    close: () => Promise.resolve(),
  };
}
