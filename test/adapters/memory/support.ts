/** What the tests of the simulated file system share. */
import assert from "node:assert/strict";
import type { MemoryOptions, MemoryVfs } from "../../../adapters/memory.ts";
import { memoryVfs } from "../../../adapters/memory.ts";
import type { VfsFile } from "../../../src/vfs.ts";
import { VfsError } from "../../../src/vfs.ts";

export function filled(length: number, byte: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(length).fill(byte);
}

/** A machine with a durable, synced file `d/f` that holds `content`. */
export async function machineWith(content: Uint8Array, options: MemoryOptions = {}): Promise<[MemoryVfs, VfsFile]> {
  const vfs = memoryVfs(options);
  vfs.writeWhole("d/f", content);
  const file = vfs.open("d/f", "write");
  if (options.auto === false) await vfs.settle();
  return [vfs, await file];
}

export function has(vfs: MemoryVfs, path: string): boolean {
  return vfs.paths().includes(path);
}

export function failsWith(code: string): (error: unknown) => boolean {
  return (error) => error instanceof VfsError && error.code === code;
}

/** Runs `count` seeds and tells in how many of them `run` answered each thing. */
export async function tally(
  count: number,
  run: (seed: number) => string | Promise<string>,
): Promise<Map<string, number>> {
  const answers = new Map<string, number>();
  for (let seed = 0; seed < count; seed++) {
    let answer: string;
    try {
      answer = await run(seed);
    } catch (cause) {
      throw new assert.AssertionError({ message: `seed ${seed}: ${String(cause)}` });
    }
    answers.set(answer, (answers.get(answer) ?? 0) + 1);
  }
  return answers;
}
