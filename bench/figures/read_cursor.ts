/**
 * `log.batches`: every record visited by a cursor, from the page cache, every checksum checked.
 *
 * @module
 */
import { openLog } from "../../mod.ts";
import { type PairFigure, type Setting, type Sides, timed, VALUE_BYTES } from "../figure.ts";
import { readRaw, storeLog } from "./stored_log.ts";

/** What a reader of batches asks for at once, in bytes. */
const READ_BYTES: number = 1024 * 1024;

export const readCursor: PairFigure = {
  name: "read_cursor",
  title: "a cursor over log.batches(), every record visited, every checksum checked",
  floor: "1 MiB reads of the same file",
  goal: 0.25,
  messages: 5_000_000,
  prepare: sides,
};

async function sides(setting: Setting): Promise<Sides> {
  const { messages } = setting;
  const stored = await storeLog(setting);
  return {
    ours: {
      async run() {
        const reader = await openLog(stored.path, { readOnly: true });
        let bytes = 0;
        const seconds = await timed(async () => {
          for await (const batch of reader.batches({ shard: 0 })) {
            const cursor = batch.records();
            while (cursor.next()) bytes += cursor.valueLength;
          }
        });
        await reader.close();
        if (bytes !== messages * VALUE_BYTES) throw new Error(`values of ${bytes} bytes were read`);
        return seconds;
      },
    },
    floor: { run: () => readRaw(stored.file, READ_BYTES) },
    close: () => Promise.resolve(stored.remove()),
  };
}
