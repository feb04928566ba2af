/**
 * One line about a manifest.
 *
 * @module
 */
import { decodeManifest } from "../log/manifest.ts";
import type { VfsFile } from "../vfs.ts";
import type { Line } from "./dump_line.ts";

/** Larger files are no manifest. */
const MAX_BYTES = 65_536;

/** The fields of a manifest, also of one that is damaged, as far as they can be read. */
export async function* dumpManifest(file: VfsFile, size: number, path: string): AsyncGenerator<Line> {
  const buffer = new Uint8Array(Math.min(size, MAX_BYTES));
  const bytes = buffer.subarray(0, await file.read(buffer, 0));
  let fields: object = {};
  try {
    const parsed: unknown = JSON.parse(new TextDecoder().decode(bytes));
    if (typeof parsed === "object" && parsed !== null) fields = parsed;
  } catch {
    // It is told as invalid below.
  }
  const isIntact = decodeManifest(bytes, path) !== undefined;
  yield {
    ...fields,
    position: 0,
    kind: "manifest",
    ...(isIntact ? {} : { invalid: "it fails its checksum, or is no manifest" }),
  };
}
