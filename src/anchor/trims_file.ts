/**
 * The file `trims` of a shard: for some keys, below which offset their records are hidden. Small, and replaced as a whole.
 *
 * @module
 */
import { crc32c } from "../batch/crc32c.ts";
import { equalBytes, readI64, readU32, writeI32, writeI64 } from "../bytes.ts";
import { openIfThere } from "../if_there.ts";
import type { Vfs } from "../vfs.ts";

export const TRIMS_NAME = "trims";
/** Beside it while it is written. */
export const TRIMS_ASIDE_NAME = "trims.tmp";
const MAGIC = 0x424d5452;
const CRC_FROM = 8;
const COUNT_AT = 36;
export const TRIMS_HEADER_BYTES = 40;
const ENTRY_BYTES = 12;
/** All marks of a shard. */
export const MAX_TRIMS_BYTES: number = 16 * 1024 * 1024;

/** What is wrong where the state says that there is one, and there is none. */
export const TRIMS_MISSING = "it is missing, although users were trimmed";

/** Whose file it is. */
export interface TrimsIdentity {
  readonly logId: Uint8Array;
  readonly shard: number;
}

/** Whose file it says that it is, from its first {@linkcode TRIMS_HEADER_BYTES}. */
export function trimsIdentity(bytes: Uint8Array): TrimsIdentity {
  return { logId: bytes.slice(16, 32), shard: readU32(bytes, 32) };
}

/** Offsets by key. A key stands as one character for each of its bytes. */
export type Marks = ReadonlyMap<string, number>;

/** Bytes that a mark takes. */
export function markBytes(key: string): number {
  return ENTRY_BYTES + key.length;
}

/** A key as marks hold it. */
export function keyText(key: Uint8Array): string {
  let text = "";
  for (let at = 0; at < key.length; at += 4096) text += String.fromCharCode(...key.subarray(at, at + 4096));
  return text;
}

/** The bytes of a file with these marks. */
export function encodeTrims(
  { logId, shard }: TrimsIdentity,
  generation: number,
  marks: Marks,
): Uint8Array<ArrayBuffer> {
  let size = TRIMS_HEADER_BYTES;
  for (const key of marks.keys()) size += markBytes(key);
  const bytes = new Uint8Array(size);
  writeI32(bytes, 0, MAGIC);
  writeI64(bytes, CRC_FROM, generation);
  bytes.set(logId, 16);
  writeI32(bytes, 32, shard);
  writeI32(bytes, COUNT_AT, marks.size);
  let at = TRIMS_HEADER_BYTES;
  for (const [key, offset] of marks) {
    writeI64(bytes, at, offset);
    writeI32(bytes, at + 8, key.length);
    at += ENTRY_BYTES;
    for (let i = 0; i < key.length; i++) bytes[at++] = key.charCodeAt(i);
  }
  writeI32(bytes, 4, crc32c(bytes, CRC_FROM, size));
  return bytes;
}

/** Decodes a file; a text says what is wrong with it. */
export function decodeTrims(
  bytes: Uint8Array,
  { logId, shard }: TrimsIdentity,
): { readonly generation: number; readonly marks: Map<string, number> } | string {
  if (bytes.length < TRIMS_HEADER_BYTES || readU32(bytes, 0) !== MAGIC) return "it does not begin as such a file does";
  if (readU32(bytes, 4) !== crc32c(bytes, CRC_FROM, bytes.length)) return "its checksum does not fit";
  if (!equalBytes(bytes.subarray(16, 32), logId) || readU32(bytes, 32) !== shard) {
    return "it is of another log or shard";
  }
  const marks = new Map<string, number>();
  let at = TRIMS_HEADER_BYTES;
  for (let left = readU32(bytes, COUNT_AT); left > 0; left--) {
    if (at + ENTRY_BYTES > bytes.length) return "it ends early";
    const offset = readI64(bytes, at);
    const keyBytes = readU32(bytes, at + 8);
    at += ENTRY_BYTES;
    if (!Number.isSafeInteger(offset) || offset < 0 || keyBytes > bytes.length - at) return "a mark makes no sense";
    marks.set(keyText(bytes.subarray(at, at + keyBytes)), offset);
    at += keyBytes;
  }
  if (at !== bytes.length) return "there are bytes behind its marks";
  return { generation: readI64(bytes, CRC_FROM), marks };
}

/** What tells two versions of the file apart: its header, with generation and checksum. `undefined` where there is none. */
export async function readTrimsHeader(vfs: Vfs, directory: string): Promise<Uint8Array | undefined> {
  const file = await openIfThere(vfs, `${directory}/${TRIMS_NAME}`, "read");
  if (file === undefined) return undefined;
  try {
    const bytes = new Uint8Array(TRIMS_HEADER_BYTES);
    return bytes.subarray(0, await file.read(bytes, 0));
  } finally {
    await file.close();
  }
}

/** Reads the file in a shard's directory: `undefined` where there is none, a text where something is wrong. */
export async function readTrims(
  vfs: Vfs,
  directory: string,
  identity: TrimsIdentity,
): Promise<ReturnType<typeof decodeTrims> | undefined> {
  const file = await openIfThere(vfs, `${directory}/${TRIMS_NAME}`, "read");
  if (file === undefined) return undefined;
  try {
    const size = await file.size();
    if (size > MAX_TRIMS_BYTES) return `it has ${size} bytes, more than ${MAX_TRIMS_BYTES}`;
    const bytes = new Uint8Array(size);
    return decodeTrims(bytes.subarray(0, await file.read(bytes, 0)), identity);
  } finally {
    await file.close();
  }
}
