/**
 * Lines about the file of a consumer.
 *
 * @module
 */
import { toHex } from "../bytes.ts";
import {
  BLOCK_BYTES,
  BLOCK_SHARDS,
  cursorSlotFault,
  decodeBlock,
  LOG_ID_AT,
  slotPosition,
} from "../consumers/cursor_slots.ts";
import type { VfsFile } from "../vfs.ts";
import type { Line } from "./dump_line.ts";

/** What counts of each block of shards, and a line for each slot that does not. The log it belongs to is taken from the file itself. */
export async function* dumpCursor(file: VfsFile, bytes: number): AsyncGenerator<Line> {
  const buffer = new Uint8Array(BLOCK_BYTES);
  for (let block = 0; block === 0 || block * BLOCK_BYTES < bytes; block++) {
    const content = buffer.subarray(0, await file.read(buffer, block * BLOCK_BYTES));
    const places = [slotPosition(0, 0), slotPosition(0, 1)].map((at) => at + LOG_ID_AT);
    const ids = places.map((at) => content.slice(at, at + 16));
    const decoded = ids.map((logId) => decodeBlock(content, logId, block));
    const counting = decoded.findIndex((block) => typeof block !== "string");
    const logId = ids[Math.max(0, counting)];
    for (const index of [0, 1]) {
      const invalid = cursorSlotFault(content, logId, block, index);
      if (invalid !== undefined) yield { position: slotPosition(block, index), kind: "cursor", invalid };
    }
    const said = decoded[counting];
    if (said === undefined || typeof said === "string") continue;
    const { name, shards, offsets, generation, index } = said;
    yield {
      position: slotPosition(block, index),
      kind: "cursor",
      consumer: name,
      generation,
      logId: toHex(logId),
      shards,
      firstShard: block * BLOCK_SHARDS,
      nextOffsets: offsets,
    };
  }
}
