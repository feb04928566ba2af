/** What the tests of rotten facts and misplaced files share. */
import assert from "node:assert/strict";
import type { MemoryVfs } from "../../adapters/memory.ts";
import { LogError, type LogErrorCode } from "../../src/errors.ts";
import { open, range, readShard, valueAt } from "./repair_log.ts";

/** True for an error of the log with this code. */
export function hasCode(code: LogErrorCode, message: RegExp = /^Cannot /): (error: unknown) => boolean {
  return (error) => error instanceof LogError && error.code === code && message.test(error.message);
}

/** Every record of a shard, as text; fails at a gap. */
export async function values(vfs: MemoryVfs, shard: number = 0): Promise<(string | null)[]> {
  return [...(await readShard(vfs, shard, "stop")).values.values()];
}

/** The values of a shard from one offset to another, exclusive. */
export function expected(shard: number, to: number, from: number = 0): string[] {
  return range(from, to - 1).map((offset) => valueAt(shard, offset));
}

/** Opens for writing and expects a shard that can only be read, with a reason that names repair. */
export async function expectReadOnly(
  vfs: MemoryVfs,
  shard: number = 0,
  advice: RegExp = /bimiplog repair/,
): Promise<void> {
  const log = await open(vfs.snapshot().boot());
  assert.equal(log.shard(shard).state, "readOnly");
  assert.equal(log.recovery[shard].verdict, "corrupt");
  assert.throws(() => log.shard(shard).tryAppend({ value: "x" }), hasCode("READ_ONLY", advice));
  await log.close();
}
