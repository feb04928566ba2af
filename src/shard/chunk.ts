/**
 * What travels from a shard's buffers to its files.
 *
 * @module
 */
import type { Region } from "../batch/memory_pool.ts";

/** Contiguous memory with whole batches. One chunk is one write. */
export interface Chunk {
  readonly region: Region;
  /**
   * Where its first batch begins: as far into a page of memory as the batch will be into a page of the file, so that whole pages can
   * be written past the page cache. What lies before it is room for the beginning of that page.
   */
  readonly from: number;
  /** Finished batches end here. */
  sealed: number;
  /** None of its records has a key: the index of users need not look. */
  isKeyless?: boolean;
}

/** Bytes of its finished batches. */
export function chunkBytes(chunk: Chunk): number {
  return chunk.sealed - chunk.from;
}
