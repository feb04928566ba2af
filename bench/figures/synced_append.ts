/**
 * Group commit: records acknowledged on rung `disk`, as many in flight as the buffer takes.
 *
 * @module
 */
import { runtimeVfs } from "../../adapters/runtime.ts";
import { type BlockOptions, writeBlocks } from "../direct_writer.ts";
import { FRAMING_BYTES, type PairFigure, type Setting, type Sides, VALUE_BYTES } from "../figure.ts";
import { appendSide } from "../log_side.ts";

const CACHED = "ratio to cached 1 MiB writes, each synced";
const ONE_SYNC = "ratio to direct 1 MiB writes, two in flight, one sync at the end";

export const syncedAppend: PairFigure = {
  name: "synced_append",
  title: "tryAppend of 100-byte values, one shard, durability disk: synced before acknowledgement",
  floor: "direct 1 MiB writes of the same number of bytes from page-aligned memory, each synced",
  goal: 0.85,
  // Of a million a tenth of the time would be making the files.
  messages: 3_000_000,
  values: [{ name: CACHED, unit: "" }, { name: ONE_SYNC, unit: "" }],
  prepare: (setting) => Promise.resolve(sides(setting)),
};

function sides({ directory, messages }: Setting): Sides {
  const log = appendSide({ path: `${directory}/log`, messages, rung: "disk", options: { durability: "disk" } });
  const blocks: BlockOptions = {
    vfs: runtimeVfs(),
    path: `${directory}/floor`,
    bytes: messages * (VALUE_BYTES + FRAMING_BYTES),
    isDirect: true,
    depth: 1,
    sync: "each",
  };
  let seconds = 0;
  return {
    ours: {
      async run() {
        seconds = await log.run();
        return seconds;
      },
    },
    floor: { run: () => writeBlocks(blocks) },
    async readings() {
      return {
        [CACHED]: await writeBlocks({ ...blocks, isDirect: false }) / seconds,
        [ONE_SYNC]: await writeBlocks({ ...blocks, depth: 2, sync: "end" }) / seconds,
      };
    },
    close: () => Promise.resolve(),
  };
}
