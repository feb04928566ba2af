/**
 * Checks of what a producer in another thread has published, before it is written.
 *
 * @module
 */
import {
  batchBytesAt,
  batchFault,
  CODEC_MASK,
  CONTROL,
  headerFault,
  readHeader,
  UNKNOWN_ATTRIBUTES,
} from "../batch/format.ts";
import type { ProducerMemory } from "../claims/producer_memory.ts";

/**
 * Makes sure that a slab holds whole batches that continue the shard at `base`: lengths, offsets, epochs, counts, and where that is
 * wanted CRCs. The records are trusted like those of the log's own thread: this package's code has encoded and checksummed them.
 *
 * @param refusedAttributes What no batch may have beside what no producer's may.
 * @returns The exclusive end of its offsets, or why it is refused.
 */
export function checkSlab(
  memory: ProducerMemory,
  slab: number,
  base: number,
  epoch: number,
  refusedAttributes = 0,
): number | string {
  const size = memory.bytesOf(slab);
  if (size <= 0 || size > memory.parts.slabBytes) return `it says ${size} bytes`;
  const bytes = memory.slab(slab);
  let next = base;
  for (let at = 0; at < size; at += batchBytesAt(bytes, at)) {
    const left = size - at;
    const fault = memory.checksCrc ? batchFault(bytes, at, left, memory.checksum) : headerFault(bytes, at, left);
    if (fault !== undefined) return fault;
    const header = readHeader(bytes, at);
    if (header.baseOffset !== next) return `its base offset is ${header.baseOffset}, not ${next}`;
    if (header.epoch !== epoch) return `its epoch is ${header.epoch}, not ${epoch}`;
    if (header.count === 0 || header.count !== header.lastOffset - header.baseOffset + 1) {
      return `it has ${header.count} records for ${header.lastOffset - header.baseOffset + 1} offsets`;
    }
    const { attributes } = header;
    if ((attributes & (UNKNOWN_ATTRIBUTES | CONTROL | refusedAttributes)) !== 0 || (attributes & CODEC_MASK) > 4) {
      return `attributes 0x${attributes.toString(16)} are not for producers`;
    }
    next = header.lastOffset + 1;
  }
  const claimed = memory.offsetsOf(slab);
  return next - base === claimed ? next : `it has ${next - base} offsets, ${claimed} were claimed`;
}
