/**
 * `tryAppend`: one shard, one thread, acknowledged by the operating system.
 *
 * @module
 */
import { rmSync } from "node:fs";
import { runtimeVfs } from "../../adapters/runtime.ts";
import { FRAMING_BYTES, makeValue, type PairFigure, type Setting, type Sides, timed, VALUE_BYTES } from "../figure.ts";
import { appendSide } from "../log_side.ts";
import { RawWriter, WRITE_BYTES } from "../raw_writer.ts";

export const append: PairFigure = {
  name: "append",
  title: "tryAppend of 100-byte values, one shard, rung os",
  floor: "each value framed and copied into a buffer, 1 MiB writes",
  goal: 0.75,
  messages: 5_000_000,
  prepare: (setting) => Promise.resolve(sides(setting)),
};

const PER_WRITE = Math.floor(WRITE_BYTES / (VALUE_BYTES + FRAMING_BYTES));

/** Frames and copies the messages from one to another, and answers where they end in the buffer. */
function fill(buffer: Uint8Array, value: Uint8Array, from: number, to: number): number {
  let at = 0;
  for (let i = from; i < to; i++) {
    for (let k = 0; k < FRAMING_BYTES; k++) buffer[at + k] = i;
    buffer.set(value, at + FRAMING_BYTES);
    at += VALUE_BYTES + FRAMING_BYTES;
  }
  return at;
}

function sides({ directory, messages }: Setting): Sides {
  const value = makeValue();
  const vfs = runtimeVfs();
  return {
    ours: appendSide({ path: `${directory}/log`, messages, rung: "os" }),
    floor: {
      async run() {
        const path = `${directory}/floor`;
        const seconds = await timed(async () => {
          const writer = await RawWriter.create(vfs, path);
          for (let i = 0; i < messages; i += PER_WRITE) {
            await writer.submit(fill(writer.buffer, value, i, Math.min(i + PER_WRITE, messages)));
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
