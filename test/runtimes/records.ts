/** Records that follow from seed, shard and offset alone: whoever reads a log can tell what must stand in it. */
import assert from "node:assert/strict";
import { BatchBuilder, type Log, type LogRecord, type RecordInput, type Shard } from "../../mod.ts";
import { take } from "../helpers.ts";

/** A number from 0 to `limit` - 1 that follows from the others. */
function pick(seed: number, salt: number, shard: number, offset: number, limit: number): number {
  let state = seed ^ Math.imul(salt + 1, 0x9e3779b1) ^ Math.imul(shard + 1, 0x85ebca6b) ^
    Math.imul(offset + 1, 0xc2b2ae35);
  for (const shift of [16, 13, 16]) state = Math.imul(state ^ (state >>> shift), 0x7feb352d);
  return (state >>> 0) % limit;
}

function bytesOf(size: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let i = 0; i < size; i++) bytes[i] = (seed + i * 7 + (i >>> 8)) & 0xff;
  return bytes;
}

/** The record that belongs at `offset`: mostly small, now and then of many kilobytes, with and without key and headers. */
export function recordAt(seed: number, shard: number, offset: number): Required<RecordInput> {
  const of = (salt: number, limit: number): number => pick(seed, salt, shard, offset, limit);
  const kind = of(0, 1000);
  const size = kind < 2 ? 70_000 + of(1, 60_000) : kind < 20 ? of(1, 5000) : of(1, 150);
  return {
    key: of(2, 4) === 0 ? null : `user-${of(3, 50)} \u00fc`,
    value: of(4, 30) === 0
      ? null
      : of(4, 2) === 0
      ? `text ${shard}/${offset} `.padEnd(size, "\u20ac")
      : bytesOf(size, of(5, 256)),
    headers: of(6, 5) === 0 ? [["h", bytesOf(of(7, 40), offset)], ["h", null], ["\u00e4", "text"]] : [],
    timestamp: 1_700_000_000_000 + offset * 3 - of(8, 2000),
  };
}

const utf8 = new TextEncoder();
const stored = (input: string | Uint8Array | null): Uint8Array | null =>
  typeof input === "string" ? utf8.encode(input) : input;

function assertSameBytes(actual: Uint8Array | null, expected: string | Uint8Array | null, what: string): void {
  const bytes = stored(expected);
  const same = actual === null || bytes === null
    ? actual === bytes
    : actual.length === bytes.length && actual.every((byte, i) => byte === bytes[i]);
  assert.ok(same, `${what} differs`);
}

/** Fails unless `record` is the one that belongs at its offset. */
export function assertBelongs(record: LogRecord, seed: number): void {
  const { shard, offset } = record;
  const expected = recordAt(seed, shard, offset);
  const where = `of shard ${shard} offset ${offset}`;
  assert.equal(record.timestamp, expected.timestamp, `timestamp ${where}`);
  assertSameBytes(record.key, expected.key, `key ${where}`);
  assertSameBytes(record.value, expected.value, `value ${where}`);
  const headers = expected.headers as readonly (readonly [string, string | Uint8Array | null])[];
  assert.equal(record.headers.length, headers.length, `headers ${where}`);
  for (const [i, [name, value]] of record.headers.entries()) {
    assert.equal(name, headers[i][0], `header name ${where}`);
    assertSameBytes(value, headers[i][1], `header ${where}`);
  }
}

/** Reads every shard from its start, compares every record, and answers how many each holds. */
export async function verifyAll(log: Log, seed: number): Promise<number[]> {
  const counts: number[] = [];
  for (const shard of log.shards) {
    let expected = 0;
    for await (const record of log.read({ shard: shard.id })) {
      assert.equal(record.offset, expected, `shard ${shard.id}: every offset once, in order`);
      assertBelongs(record, seed);
      expected++;
    }
    counts.push(expected);
  }
  return counts;
}

/**
 * Takes the next records of a shard, as single ones or as a ready-made batch; which, follows from the offset. Answers the
 * last offset.
 */
export function takeNext(shard: Shard, seed: number): number {
  const offset = shard.nextOffset;
  const count = offset % 13 === 0 ? 1 + pick(seed, 9, shard.id, offset, 6) : 0;
  if (count === 0) return take(shard, recordAt(seed, shard.id, offset));
  const builder = new BatchBuilder({ maxBytes: 1_000_000 });
  for (let i = 0; i < count; i++) assert.ok(builder.add(recordAt(seed, shard.id, offset + i)));
  assert.equal(shard.tryAppendBatch(builder.finish()), offset);
  return offset + count - 1;
}
