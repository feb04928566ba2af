/**
 * Looks whether a header, or a whole intact batch, stands at a place of a file.
 *
 * @module
 */
import { batchFault, type BatchHeader, HEADER_BYTES, headerDigest, headerFault, readHeader } from "../batch/format.ts";
import type { VfsFile } from "../vfs.ts";
import type { Found } from "./search.ts";

/** The header at `position` where it can be one, or `undefined`. */
export async function headerAt(file: VfsFile, position: number, limit: number): Promise<BatchHeader | undefined> {
  const head = new Uint8Array(HEADER_BYTES);
  if (limit - position < HEADER_BYTES || await file.read(head, position) < HEADER_BYTES) return undefined;
  return headerFault(head, 0, limit - position) === undefined ? readHeader(head, 0) : undefined;
}

/** The intact batch that starts at `position`, or `undefined`. */
export async function batchAt(
  file: VfsFile,
  position: number,
  limit: number,
): Promise<Found & { digest: number } | undefined> {
  const header = await headerAt(file, position, limit);
  if (header === undefined) return undefined;
  const batch = new Uint8Array(header.bytes);
  const read = await file.read(batch, position);
  if (batchFault(batch, 0, read) !== undefined) return undefined;
  const { baseOffset, lastOffset, bytes, epoch } = header;
  return { position, baseOffset, lastOffset, bytes, epoch, digest: headerDigest(batch, 0) };
}
