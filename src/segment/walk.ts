/**
 * Visits the batches between two positions of a `.log`.
 *
 * @module
 */
import type { MaybePromise, Vfs } from "../vfs.ts";
import { BatchScanner, SCAN_CHUNK_BYTES } from "./batch_scanner.ts";

/** Called with memory that is used again for the next batches. */
export type VisitBatch = (bytes: Uint8Array, at: number, position: number) => MaybePromise<void>;

/** Visits intact batches from `from` up to `to`; stops early where one is not intact. */
export async function walkBatches(vfs: Vfs, path: string, from: number, to: number, visit: VisitBatch): Promise<void> {
  if (from >= to) return;
  const file = await vfs.open(path, "read");
  try {
    const scanner = new BatchScanner(file, from, to, { chunkBytes: SCAN_CHUNK_BYTES, reuse: true });
    for (;;) {
      const step = scanner.next();
      if (!(step instanceof Promise ? await step : step)) return;
      const visited = visit(scanner.bytes, scanner.at, scanner.position);
      if (visited instanceof Promise) await visited;
    }
  } finally {
    await file.close();
  }
}
