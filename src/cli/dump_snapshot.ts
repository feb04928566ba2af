/**
 * Lines about a snapshot of producers.
 *
 * @module
 */
import { toHex } from "../bytes.ts";
import { readSnapshot } from "../idempotence/snapshot.ts";
import type { VfsFile } from "../vfs.ts";
import { type Line, timeText } from "./dump_line.ts";

/** A broker's own are far smaller. */
const MAX_BYTES: number = 64 * 1024 * 1024;

/** Whose it is, then one line a batch. */
export async function* dumpSnapshot(file: VfsFile, bytes: number): AsyncGenerator<Line> {
  const content = new Uint8Array(Math.min(bytes, MAX_BYTES));
  const read = await file.read(content, 0);
  const snapshot = read === bytes ? readSnapshot(content) : undefined;
  if (snapshot === undefined) {
    yield { position: 0, kind: "snapshot", invalid: "it fails its checksum, or its fields make no sense", bytes };
    return;
  }
  const { identity, entries } = snapshot;
  const whose = identity === undefined
    ? {}
    : { logId: toHex(identity.logId), shard: identity.shard, baseOffset: identity.base };
  yield { position: 0, kind: "snapshot", entries: entries.length, ...whose };
  for (const [i, { id, epoch, firstSequence, lastSequence, baseOffset, lastOffset, timestamp }] of entries.entries()) {
    yield {
      position: 10 + i * 46,
      kind: "producer",
      producerId: id,
      producerEpoch: epoch,
      firstSequence,
      lastSequence,
      baseOffset,
      lastOffset,
      timestamp: timeText(timestamp),
    };
  }
}
