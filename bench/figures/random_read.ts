/**
 * `log.get`: single records at random offsets, of a log that the page cache holds.
 *
 * @module
 */
import { openLog } from "../../mod.ts";
import { runtimeVfs } from "../../adapters/runtime.ts";
import { type PairFigure, type Setting, type Sides, timed } from "../figure.ts";
import { storeLog } from "./stored_log.ts";

/** What the smallest reader has to fetch for one record, in bytes: its batch. */
const BATCH_BYTES: number = 64 * 1024;
/** A log of so many records for each one that is read: most batches are not in memory then. */
const RECORDS_A_READ = 100;

export const randomRead: PairFigure = {
  name: "random_read",
  title: "log.get() at random offsets of a log of a hundred times as many records: most batches are read and checked",
  floor: "64 KiB reads at random positions of the same file",
  goal: undefined,
  messages: 30_000,
  prepare: (setting) => sides(setting, false),
};

export const randomReadAgain: PairFigure = {
  name: "random_read_again",
  title: "log.get() at random offsets of a log that fits in the cache of batches",
  floor: "64 KiB reads at random positions of the same file",
  goal: undefined,
  messages: 100_000,
  prepare: (setting) => sides(setting, true),
};

async function sides({ directory, messages }: Setting, isCached: boolean): Promise<Sides> {
  const records = isCached ? Math.min(messages, 100_000) : messages * RECORDS_A_READ;
  const stored = await storeLog({ directory, messages: records });
  const vfs = runtimeVfs();
  return {
    ours: {
      async run() {
        const reader = await openLog(stored.path, { readOnly: true });
        const get = async (offset: number): Promise<void> => {
          const record = await reader.get({ offset });
          if (record?.offset !== offset) throw new Error(`offset ${offset} was not found`);
        };
        // The index is loaded, and where it is meant to be, the cache filled.
        for (let offset = 0; offset < records; offset += isCached ? 100 : records) await get(offset);
        const seconds = await timed(async () => {
          for (let i = 0; i < messages; i++) await get(Math.floor(Math.random() * records));
        });
        await reader.close();
        return seconds;
      },
    },
    floor: {
      async run() {
        const file = await vfs.open(stored.file, "read");
        const buffer = new Uint8Array(BATCH_BYTES);
        const range = Math.max(1, await file.size() - BATCH_BYTES);
        const seconds = await timed(async () => {
          for (let i = 0; i < messages; i++) await file.read(buffer, Math.floor(Math.random() * range));
        });
        await file.close();
        return seconds;
      },
    },
    close: () => Promise.resolve(stored.remove()),
  };
}
