/**
 * Lines about the users of a shard that were trimmed.
 *
 * @module
 */
import { decodeTrims, markBytes, MAX_TRIMS_BYTES, TRIMS_HEADER_BYTES, trimsIdentity } from "../anchor/trims_file.ts";
import { toHex } from "../bytes.ts";
import type { VfsFile } from "../vfs.ts";
import type { Line } from "./dump_line.ts";
import { jsonBytes } from "./json.ts";

/** Whose it is, then one line a user. The log it belongs to is taken from the file itself. */
export async function* dumpTrims(file: VfsFile, bytes: number): AsyncGenerator<Line> {
  const kind = "trims";
  if (bytes < TRIMS_HEADER_BYTES || bytes > MAX_TRIMS_BYTES) {
    yield { position: 0, kind, invalid: `${bytes} bytes are no size for such a file` };
    return;
  }
  const buffer = new Uint8Array(bytes);
  const content = buffer.subarray(0, await file.read(buffer, 0));
  const identity = trimsIdentity(content);
  const decoded = decodeTrims(content, identity);
  if (typeof decoded === "string") {
    yield { position: 0, kind, invalid: decoded };
    return;
  }
  const { generation, marks } = decoded;
  yield { position: 0, kind, generation, logId: toHex(identity.logId), shard: identity.shard, users: marks.size };
  let position = TRIMS_HEADER_BYTES;
  for (const [key, offset] of marks) {
    yield {
      position,
      kind: "trimmed",
      user: jsonBytes(Uint8Array.from(key, (char) => char.charCodeAt(0))),
      before: offset,
    };
    position += markBytes(key);
  }
}
