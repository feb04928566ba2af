/** Hands on the files of shard 0: what is in them, and how to break it. */
import { readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readHeader } from "../../src/batch/format.ts";

/** A batch as it lies in a file. */
export interface StoredBatch {
  readonly file: string;
  readonly position: number;
  readonly bytes: number;
  readonly first: number;
  readonly last: number;
}

/** The directory of shard 0; its log has the topic `log`. */
export function shardOf(directory: string): string {
  return join(directory, "log-0");
}

/** Paths of the segments, in order. */
export function logFiles(directory: string): string[] {
  const shard = shardOf(directory);
  return readdirSync(shard).filter((name) => name.endsWith(".log")).sort().map((name) => join(shard, name));
}

/** The index of a segment. */
export function indexOf(log: string): string {
  return log.replace(/\.log$/, ".idx");
}

/** Every batch of a segment whose batches are intact. */
export function batchesOf(file: string): StoredBatch[] {
  const content = new Uint8Array(readFileSync(file));
  const batches: StoredBatch[] = [];
  for (let position = 0; position < content.length;) {
    const { baseOffset, lastOffset, bytes } = readHeader(content, position);
    batches.push({ file, position, bytes, first: baseOffset, last: lastOffset });
    position += bytes;
  }
  return batches;
}

/** Flips one bit. A negative position counts from the end. */
export function flip(file: string, position: number, bit = 0): void {
  const content = readFileSync(file);
  content[position < 0 ? content.length + position : position] ^= 1 << bit;
  writeFileSync(file, content);
}

/** Appends bytes behind the end. */
export function extend(file: string, bytes: Uint8Array): void {
  writeFileSync(file, bytes, { flag: "a" });
}

/** Cuts bytes off the end. */
export function shorten(file: string, bytes: number): void {
  truncateSync(file, statSync(file).size - bytes);
}

/** Overwrites a range. */
export function overwrite(file: string, position: number, bytes: Uint8Array): void {
  const content = readFileSync(file);
  content.set(bytes, position);
  writeFileSync(file, content);
}
