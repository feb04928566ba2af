/** What a conformance test works on, and the few helpers it needs. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type MaybePromise, type Vfs, VfsError, type VfsErrorCode, type VfsFile } from "../../src/vfs.ts";

/** A file system under test with an empty directory in it. */
export interface Subject {
  readonly vfs: Vfs;
  /** Absolute path. */
  readonly directory: string;
  /** Puts a symbolic link, or what stands for one, at `path`. */
  plantLink(target: string, path: string): void;
  /** Permission bits of what is at `path`. */
  modeOf?(path: string): number;
  dispose(): MaybePromise<void>;
}

export type MakeVfs = () => Subject;

/**
 * Abilities that may be missing, each with the reason. A test that needs one is then reported as skipped with it;
 * without `direct` the suite demands `UNSUPPORTED` instead.
 */
export interface Lacks {
  readonly modes?: string;
  readonly direct?: string;
}

/** Runs `body` with a file system of its own. */
export async function use(make: MakeVfs, body: (subject: Subject) => Promise<void>): Promise<void> {
  const subject = make();
  try {
    await body(subject);
  } finally {
    await subject.dispose();
  }
}

/** Runs `body` with a directory on disk and removes it. (`t.after` would not: Deno 2.9 does not run it.) */
export async function useDirectory(body: (directory: string) => MaybePromise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "bimip-vfs-"));
  try {
    await body(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Fails unless `call` throws or rejects with this code, a message that says what could not be done, and a path. */
export async function fails(code: VfsErrorCode, call: () => unknown): Promise<VfsError> {
  let failure: unknown;
  await assert.rejects(async () => await call(), (error) => {
    failure = error;
    return true;
  }, `Nothing failed with ${code}`);
  if (!(failure instanceof VfsError)) throw failure;
  assert.equal(failure.code, code, failure.message);
  assert.match(failure.message, /^Cannot /);
  assert.ok(failure.path.length > 0);
  return failure;
}

/** Fails unless `call` throws or rejects with a `RangeError`. */
export async function outOfRange(call: () => unknown): Promise<void> {
  await assert.rejects(async () => await call(), RangeError);
}

/** Fills `into` with bytes that tell their position in the file, so that a misplaced one is seen. */
export function fill(into: Uint8Array, position: number): Uint8Array {
  for (let i = 0; i < into.length; i++) {
    const at = position + i;
    into[i] = (at ^ (at >>> 8) * 7 ^ (at >>> 16) * 31) & 0xff;
  }
  return into;
}

/** `size` bytes that tell their position. */
export function bytesAt(position: number, size: number): Uint8Array {
  return fill(new Uint8Array(size), position);
}

/** Fails unless the two hold the same bytes; prints the first difference instead of megabytes. */
export function sameBytes(actual: Uint8Array, expected: Uint8Array): void {
  assert.equal(actual.length, expected.length);
  const at = actual.findIndex((byte, i) => byte !== expected[i]);
  if (at >= 0) assert.fail(`Byte ${at} is ${actual[at]}, not ${expected[at]}`);
}

/** All of the file. */
export async function contentOf(file: VfsFile): Promise<Uint8Array> {
  const content = new Uint8Array(await file.size());
  assert.equal(await file.read(content, 0), content.length);
  return content;
}

/** A new file with this content, closed again. */
export async function put(vfs: Vfs, path: string, content: Uint8Array): Promise<void> {
  const file = await vfs.open(path, "create");
  await file.write(content, 0);
  await file.close();
}

/** The content of the file at `path`. */
export async function get(vfs: Vfs, path: string): Promise<Uint8Array> {
  const file = await vfs.open(path, "read");
  const content = await contentOf(file);
  await file.close();
  return content;
}

/** Numbers from 0 to 1 that depend on the seed only. */
export function chance(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 32;
  };
}
