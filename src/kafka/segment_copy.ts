/**
 * Copies a `.log` batch by batch: each is checked on its way.
 *
 * @module
 */
import { type BatchHeader, readHeader } from "../batch/format.ts";
import { BatchScanner, SCAN_CHUNK_BYTES } from "../segment/batch_scanner.ts";
import type { MaybePromise, Vfs, VfsFile } from "../vfs.ts";

/** What copying one segment needs. */
export interface SegmentCopy {
  readonly vfs: Vfs;
  readonly from: string;
  /** `undefined`: the batches are only looked at. */
  readonly to: string | undefined;
  /** Where data ends in the source, in bytes; `undefined`: with the file. */
  readonly end: number | undefined;
  /** Looks at a batch before it is copied, and may change bytes of it that its CRC does not cover. Throws to refuse it. */
  readonly visit: (bytes: Uint8Array, at: number, header: BatchHeader, position: number) => MaybePromise<void>;
  readonly signal: AbortSignal | undefined;
}

/** How far it came. */
export interface CopiedSegment {
  /** Bytes that were copied: whole batches. */
  readonly bytes: number;
  /** Bytes of the source behind them. */
  readonly rest: number;
  /** Why they are no batch; `undefined` where there are none. */
  readonly fault: string | undefined;
}

/** Copies until the end, or until a batch is not intact. The copy is synced; its directory is not. */
export async function copySegment(copy: SegmentCopy): Promise<CopiedSegment> {
  const { vfs, from, to, visit, signal } = copy;
  const source = await vfs.open(from, "read");
  let target: VfsFile | undefined;
  try {
    const end = copy.end ?? await source.size();
    if (to !== undefined) target = await vfs.open(to, "create");
    const scanner = new BatchScanner(source, 0, end, { chunkBytes: SCAN_CHUNK_BYTES, reuse: true });
    const buffer = new Uint8Array(to === undefined ? 0 : SCAN_CHUNK_BYTES);
    let filled = 0;
    let written = 0;
    const flush = async (): Promise<void> => {
      await target?.write(buffer.subarray(0, filled), written);
      written += filled;
      filled = 0;
      signal?.throwIfAborted();
    };
    for (;;) {
      const step = scanner.next();
      if (!(step instanceof Promise ? await step : step)) break;
      const { bytes, at, size, position } = scanner;
      const visited = visit(bytes, at, readHeader(bytes, at), position);
      if (visited instanceof Promise) await visited;
      if (target === undefined) {
        if (Math.floor(position / SCAN_CHUNK_BYTES) < Math.floor((position + size) / SCAN_CHUNK_BYTES)) {
          signal?.throwIfAborted();
        }
        continue;
      }
      if (filled > 0 && filled + size > buffer.length) await flush();
      const batch = bytes.subarray(at, at + size);
      if (size > buffer.length) {
        await target.write(batch, written);
        written += size;
      } else {
        buffer.set(batch, filled);
        filled += size;
      }
    }
    if (filled > 0) await flush();
    const good = scanner.position + scanner.size;
    await target?.sync();
    return { bytes: good, rest: end - good, fault: scanner.fault };
  } finally {
    await source.close();
    await target?.close();
  }
}
