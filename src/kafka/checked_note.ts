/**
 * Small files of what has to be remembered between two runs: a checksum, then JSON on one line.
 *
 * @module
 */
import { crc32c } from "../batch/crc32c.ts";
import { hex32 } from "../batch/format.ts";
import { openIfThere } from "../if_there.ts";
import { replaceWhole } from "../recovery/whole_file.ts";
import type { Vfs } from "../vfs.ts";

const MAX_BYTES: number = 64 * 1024 * 1024;
const LF = 10;
/** Eight hexadecimal digits and a space. */
const HEAD_BYTES = 9;

/** What a damaged note is read as. */
export const DAMAGED: unique symbol = Symbol("damaged");

/** Writes it; it is there whole, and durable, or as it was. */
export async function writeNote(vfs: Vfs, directory: string, name: string, content: unknown): Promise<void> {
  const text = new TextEncoder().encode(JSON.stringify(content));
  const bytes = new Uint8Array(HEAD_BYTES + text.length + 1);
  bytes.set(new TextEncoder().encode(`${hex32(crc32c(text))} `));
  bytes.set(text, HEAD_BYTES);
  bytes[bytes.length - 1] = LF;
  await replaceWhole(vfs, `${directory}/${name}`, `${directory}/${name}.tmp`, bytes);
  await vfs.syncDirectory(directory);
}

/** Reads it; `undefined` where there is none. */
export async function readNote(vfs: Vfs, path: string): Promise<unknown> {
  const file = await openIfThere(vfs, path, "read");
  if (file === undefined) return undefined;
  try {
    const size = await file.size();
    if (size <= HEAD_BYTES + 1 || size > MAX_BYTES) return DAMAGED;
    const bytes = new Uint8Array(size);
    if (await file.read(bytes, 0) < size || bytes[size - 1] !== LF) return DAMAGED;
    const head = new TextDecoder().decode(bytes.subarray(0, HEAD_BYTES));
    if (head !== `${hex32(crc32c(bytes, HEAD_BYTES, size - 1))} `) return DAMAGED;
    return JSON.parse(new TextDecoder().decode(bytes.subarray(HEAD_BYTES, size - 1)));
  } finally {
    await file.close();
  }
}
