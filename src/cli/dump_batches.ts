/**
 * Lines about the batches of a `.log`.
 *
 * @module
 */
import {
  CODEC_MASK,
  CODECS,
  CONTROL,
  hex32,
  LOG_APPEND_TIME,
  readHeader,
  TRANSACTIONAL,
  UNKNOWN_ATTRIBUTES,
} from "../batch/format.ts";
import { BatchScanner, SCAN_CHUNK_BYTES } from "../segment/batch_scanner.ts";
import { findBatch } from "../segment/search.ts";
import type { VfsFile } from "../vfs.ts";
import { type Line, timeText } from "./dump_line.ts";

/** One line a batch. Behind damage it goes on at the next intact batch. */
export async function* dumpBatches(file: VfsFile, bytes: number): AsyncGenerator<Line> {
  const scanner = new BatchScanner(file, 0, bytes, { chunkBytes: SCAN_CHUNK_BYTES, reuse: true });
  for (;;) {
    const step = scanner.next();
    if (step instanceof Promise ? await step : step) {
      yield batchLine(scanner.bytes, scanner.at, scanner.position);
      continue;
    }
    if (scanner.fault === undefined) return;
    const { position, fault } = scanner;
    const found = await findBatch(file, position + 1, bytes, 0, Number.MAX_SAFE_INTEGER);
    const end = found?.position ?? bytes;
    yield { position, kind: "batch", invalid: fault, bytes: end - position };
    if (found === undefined) return;
    scanner.skipTo(end);
  }
}

function batchLine(bytes: Uint8Array, at: number, position: number): Line {
  const header = readHeader(bytes, at);
  const { attributes } = header;
  const flags: Record<string, true> = {};
  if ((attributes & TRANSACTIONAL) !== 0) flags.transactional = true;
  if ((attributes & CONTROL) !== 0) flags.control = true;
  const unknown = attributes & UNKNOWN_ATTRIBUTES;
  const producer = header.producerId < 0 ? {} : {
    producerId: header.producerId,
    producerEpoch: header.producerEpoch,
    baseSequence: header.baseSequence,
  };
  return {
    position,
    kind: "batch",
    baseOffset: header.baseOffset,
    lastOffset: header.lastOffset,
    count: header.count,
    bytes: header.bytes,
    epoch: header.epoch,
    crc: hex32(header.crc),
    codec: CODECS[attributes & CODEC_MASK] ?? `${attributes & CODEC_MASK} (unknown)`,
    timestamps: (attributes & LOG_APPEND_TIME) !== 0 ? "append" : "create",
    baseTimestamp: timeText(header.baseTimestamp),
    maxTimestamp: timeText(header.maxTimestamp),
    ...flags,
    ...(unknown === 0 ? {} : { unknownAttributes: `0x${unknown.toString(16)}` }),
    ...producer,
  };
}
