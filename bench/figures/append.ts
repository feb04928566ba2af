/**
 * `tryAppend`: one shard, one thread, acknowledged by the operating system.
 *
 * @module
 */
import { rmSync } from "node:fs";
import { BACKPRESSURE, openLog } from "../../mod.ts";
import { runtimeVfs } from "../../adapters/runtime.ts";
import { type Figure, makeValue, type Setting, type Sides, timed, VALUE_BYTES } from "../figure.ts";
import { RawWriter, WRITE_BYTES } from "../raw_writer.ts";

/** Bytes that a record of Kafka's format adds to a value of this size. */
const FRAMING_BYTES = 9;

export const append: Figure = {
  name: "append",
  title: "tryAppend of 100-byte values, one shard, rung os",
  floor: "each value framed and copied into a buffer, 1 MiB writes",
  goal: 0.75,
  messages: 5_000_000,
  prepare: (setting) => Promise.resolve(sides(setting)),
};

function sides({ directory, messages }: Setting): Sides {
  const value = makeValue();
  const vfs = runtimeVfs();
  return {
    ours: {
      async run() {
        const path = `${directory}/log`;
        const log = await openLog(path);
        const shard = log.shard(0);
        const record = { value };
        const seconds = await timed(async () => {
          for (let i = 0; i < messages; i++) {
            while (shard.tryAppend(record) === BACKPRESSURE) await shard.writable();
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
          let at = 0;
          for (let i = 0; i < messages; i++) {
            if (at + VALUE_BYTES + FRAMING_BYTES > WRITE_BYTES) {
              await writer.submit(at);
              at = 0;
            }
            const buffer = writer.buffer;
            for (let k = 0; k < FRAMING_BYTES; k++) buffer[at + k] = i;
            buffer.set(value, at + FRAMING_BYTES);
            at += VALUE_BYTES + FRAMING_BYTES;
          }
          await writer.submit(at);
          await writer.close();
        });
        rmSync(path);
        return seconds;
      },
    },
    close: () => Promise.resolve(),
  };
}
