/**
 * The floor of durable and of sustained writing: bytes go past the page cache in writes of 1 MiB through the same adapter.
 *
 * @module
 */
import { rmSync } from "node:fs";
import { acquireRegion, type Region, releaseRegion } from "../src/batch/memory_pool.ts";
import { PAGE_BYTES } from "../src/segment/body_writer.ts";
import { type Vfs, VfsError, type VfsFile } from "../src/vfs.ts";
import { timed } from "./figure.ts";
import { WRITE_BYTES } from "./raw_writer.ts";

const PROGRESS_BYTES: number = 1024 * WRITE_BYTES;

/** How {@linkcode writeBlocks} writes. */
export interface BlockOptions {
  readonly vfs: Vfs;
  readonly path: string;
  /** Rounded up to whole pages. */
  readonly bytes: number;
  /** Past the page cache. Where the file system refuses, through it after all, and standard error says so. */
  readonly isDirect: boolean;
  /** Writes in flight, from 1. */
  readonly depth: number;
  /** After each write, which is waited for first (then `depth` is 1); once at the end; or never. */
  readonly sync: "each" | "end" | "never";
  /** Told how many bytes are written, about once a GiB. */
  readonly onProgress?: (bytes: number) => void;
  /** Told the seconds until all is written, before a sync at the end. */
  readonly onWritten?: (seconds: number) => void;
}

/** Seconds to write a new file, which is removed again. */
export async function writeBlocks(options: BlockOptions): Promise<number> {
  const { path, bytes, depth } = options;
  const regions: Region[] = [];
  try {
    for (let i = 0; i < depth; i++) regions.push(fullRegion(i));
    const file = await create(options);
    try {
      const whole = Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES;
      return await timed(() => writeAll(file, regions, whole, options));
    } finally {
      await file.close();
      rmSync(path);
    }
  } finally {
    for (const region of regions) releaseRegion(region);
  }
}

/** Its pages are touched: a first touch is no part of writing. */
function fullRegion(number: number): Region {
  const region = acquireRegion(WRITE_BYTES);
  if (region.address === -1) throw new Error("there is no page-aligned memory left");
  region.bytes.fill(97 + number);
  return region;
}

async function create({ vfs, path, isDirect }: BlockOptions): Promise<VfsFile> {
  try {
    return await vfs.open(path, "create", { direct: isDirect });
  } catch (error) {
    if (!(error instanceof VfsError) || error.code !== "UNSUPPORTED") throw error;
    rmSync(path, { force: true });
    console.error("  no direct writes here: this floor goes through the page cache");
    return await vfs.open(path, "create");
  }
}

async function writeAll(
  file: VfsFile,
  regions: readonly Region[],
  bytes: number,
  { sync, onProgress, onWritten }: BlockOptions,
): Promise<void> {
  const started = performance.now();
  const pending: (Promise<void> | void)[] = regions.map(() => undefined);
  for (let position = 0, block = 0; position < bytes; position += WRITE_BYTES, block++) {
    const turn = block % regions.length;
    await pending[turn];
    pending[turn] = file.write(regions[turn].bytes.subarray(0, Math.min(WRITE_BYTES, bytes - position)), position);
    if (sync === "each") {
      await pending[turn];
      await file.sync();
    }
    if (position % PROGRESS_BYTES === 0 && position > 0) onProgress?.(position);
  }
  for (const write of pending) await write;
  onWritten?.((performance.now() - started) / 1000);
  if (sync === "end") await file.sync();
}
