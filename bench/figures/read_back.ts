/**
 * `log.read`: every record as an object, from the page cache, every checksum checked.
 *
 * @module
 */
import { rmSync } from "node:fs";
import { BACKPRESSURE, openLog } from "../../mod.ts";
import { runtimeVfs } from "../../adapters/runtime.ts";
import { type Figure, makeValue, type Setting, type Sides, timed } from "../figure.ts";

/** What a reader of the log asks for at once, in bytes. */
const READ_BYTES: number = 256 * 1024;

export const readBack: Figure = {
  name: "read_back",
  title: "for await over log.read(), every record an object, every checksum checked",
  floor: "256 KiB reads of the same file",
  goal: undefined,
  messages: 5_000_000,
  prepare: sides,
};

async function sides({ directory, messages }: Setting): Promise<Sides> {
  const path = `${directory}/log`;
  const value = makeValue();
  const log = await openLog(path, { topic: "log" });
  const shard = log.shard(0);
  for (let i = 0; i < messages; i++) {
    while (shard.tryAppend({ value }) === BACKPRESSURE) await shard.writable();
  }
  await log.close();
  const vfs = runtimeVfs();
  return {
    ours: {
      async run() {
        const reader = await openLog(path, { readOnly: true });
        let count = 0;
        const seconds = await timed(async () => {
          for await (const record of reader.read()) count += record.offset >= 0 ? 1 : 0;
        });
        await reader.close();
        if (count !== messages) throw new Error(`${count} records were read, not ${messages}`);
        return seconds;
      },
    },
    floor: {
      run: () =>
        timed(async () => {
          const file = await vfs.open(`${path}/log-0/00000000000000000000.log`, "read");
          const buffer = new Uint8Array(READ_BYTES);
          const size = await file.size();
          for (let position = 0; position < size; position += READ_BYTES) await file.read(buffer, position);
          await file.close();
        }),
    },
    close: () => {
      rmSync(path, { recursive: true });
      return Promise.resolve();
    },
  };
}
