/**
 * Lines about the rows of an `.idx`.
 *
 * @module
 */
import { hex32 } from "../batch/format.ts";
import { readI64, readU32, toHex } from "../bytes.ts";
import { readBatchRow, readSealRow, ROW_BATCH, ROW_FILE_HEADER, ROW_SEAL, rowLength, rowType } from "../index/rows.ts";
import type { VfsFile } from "../vfs.ts";
import { type Line, timeText } from "./dump_line.ts";

const WINDOW_BYTES: number = 256 * 1024;
const MAX_ROW_BYTES: number = 65_536;

/** One line a row, up to the first that is damaged: nobody knows where the next one starts. */
export async function* dumpRows(file: VfsFile, bytes: number): AsyncGenerator<Line> {
  const buffer = new Uint8Array(WINDOW_BYTES);
  let window = buffer.subarray(0, await file.read(buffer, 0));
  let start = 0;
  let at = 0;
  while (start + at < bytes) {
    if (window.length - at < MAX_ROW_BYTES && start + window.length < bytes) {
      start += at;
      at = 0;
      window = buffer.subarray(0, await file.read(buffer, start));
    }
    const length = rowLength(window, at);
    const position = start + at;
    if (length === 0) {
      yield { position, kind: "row", invalid: "the row fails its checksum, or ends early", bytes: bytes - position };
      return;
    }
    yield rowLine(window, at, position);
    at += length;
  }
}

function rowLine(bytes: Uint8Array, at: number, position: number): Line {
  const type = rowType(bytes, at);
  if (type === ROW_FILE_HEADER) {
    const logId = toHex(bytes.subarray(at + 16, at + 32));
    const baseOffset = readI64(bytes, at + 40);
    return {
      position,
      kind: "header",
      logId,
      shard: readU32(bytes, at + 32),
      version: readU32(bytes, at + 36),
      baseOffset,
    };
  }
  if (type === ROW_SEAL) {
    const { nextOffset, logBytes, rowPosition, maxTimestamp, lastDigest } = readSealRow(bytes, at);
    return {
      position,
      kind: "seal",
      nextOffset,
      logBytes,
      rowPosition,
      maxTimestamp: timeText(maxTimestamp),
      lastDigest: hex32(lastDigest),
    };
  }
  if (type !== ROW_BATCH) return { position, kind: `type ${type}`, bytes: rowLength(bytes, at) };
  const row = readBatchRow(bytes, at);
  if (row === undefined) return { position, kind: "batch", invalid: "its fields make no sense" };
  return {
    position,
    kind: "batch",
    baseOffset: row.baseOffset,
    lastOffset: row.lastOffset,
    count: row.count,
    logPosition: row.position,
    bytes: row.bytes,
    digest: hex32(row.digest),
    maxTimestamp: timeText(row.runningMaxTimestamp),
  };
}
