/**
 * `log.read`: every record as an object, from the page cache, every checksum checked.
 *
 * @module
 */
import { openLog } from "../../mod.ts";
import { type PairFigure, type Setting, type Sides, timed } from "../figure.ts";
import { readRaw, storeLog } from "./stored_log.ts";

/** What a reader of the log asks for at once, in bytes. */
const READ_BYTES: number = 256 * 1024;

export const readBack: PairFigure = {
  name: "read_back",
  title: "for await over log.read(), every record an object, every checksum checked",
  floor: "256 KiB reads of the same file",
  goal: undefined,
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
        let count = 0;
        const seconds = await timed(async () => {
          for await (const record of reader.read()) count += record.offset >= 0 ? 1 : 0;
        });
        await reader.close();
        if (count !== messages) throw new Error(`${count} records were read, not ${messages}`);
        return seconds;
      },
    },
    floor: { run: () => readRaw(stored.file, READ_BYTES) },
    close: () => Promise.resolve(stored.remove()),
  };
}
