/**
 * Writes a log with everything that a `.log` may hold, on whichever runtime runs this.
 *
 *     node test/kafka/write_log.ts DIRECTORY
 */
import process from "node:process";
import * as zlib from "node:zlib";
import { BACKPRESSURE, BatchBuilder, openLog } from "../../mod.ts";
import type { Log, OpenOptions, RecordInput, Shard } from "../../mod.ts";
import { crc32c } from "../../src/batch/crc32c.ts";
import { CRC_AT, CRC_FROM, HEADER_BYTES, PRODUCER_ID_AT, readHeader } from "../../src/batch/format.ts";
import { writeI32, writeI64 } from "../../src/bytes.ts";
import { GOLDEN_BATCHES, type GoldenBatch, goldenBytes } from "../fixtures/kafka_batches.ts";
import { referenceBatch } from "../fixtures/reference_batch.ts";

const START = 1_760_000_000_000;
const options: OpenOptions = {
  shards: 2,
  topic: "dump",
  segmentBytes: 6000,
  batchBytes: 700,
  flushIntervalMs: Infinity,
  stride: 64,
};
/** Batches of other producers: idempotent, transactional, with append time, compressed by others. */
const FOREIGN = [
  "idempotent producer, headers, nulls, a record older than the first",
  "zstd",
  "gzip",
  "append time",
  "transactional",
];
const TEXTS = ["", "plain", "ä ö ü", "事件 😀", " key: x payload: y ", "[a,b]", "\ufeffmark", "| offset: 1"];

/** The `i`-th record: every kind of key, value and headers in turn, timestamps forwards and backwards. */
function record(i: number): RecordInput {
  const headers: [string, string | null][] = i % 5 === 0
    ? [["trace", `${i}`], ["ä", null], ["trace", ""]]
    : i % 5 === 1
    ? [["", "x"]]
    : [];
  return {
    key: i % 7 === 0 ? null : i % 7 === 1 ? "" : `user-${i % 13} ${TEXTS[i % TEXTS.length]}`,
    value: i % 11 === 0 ? null : `${TEXTS[(i * 3) % TEXTS.length]}${"v".repeat((i * 37) % 190)}`,
    headers,
    timestamp: START + (i % 4 === 3 ? -i * 1000 : i * 17) + (i % 50 === 49 ? 2 ** 33 : 0),
  };
}

function take(result: number | typeof BACKPRESSURE): void {
  if (result === BACKPRESSURE) throw new Error("the buffer is large enough for all of this");
}

/** A blob as a worker or a client builds it. */
function blob(from: number, count: number): Uint8Array {
  const builder = new BatchBuilder();
  for (let i = from; i < from + count; i++) builder.add(record(i));
  return builder.finish();
}

/** The same records, compressed. */
function packed(attributes: number, pack: (bytes: Uint8Array) => Uint8Array, from: number, count: number): Uint8Array {
  const plain = blob(from, count);
  const { baseTimestamp, maxTimestamp } = readHeader(plain, 0);
  return referenceBatch({ attributes, count, baseTimestamp, maxTimestamp }, pack(plain.subarray(HEADER_BYTES)));
}

/** A golden batch of a producer of its own: a shard takes a producer's batch once, and no older epoch of it. */
function foreign(golden: GoldenBatch, producerId: number): Uint8Array {
  const bytes = goldenBytes(golden);
  if (golden.header.producerId < 0) return bytes;
  writeI64(bytes, PRODUCER_ID_AT, producerId);
  writeI32(bytes, CRC_AT, crc32c(bytes, CRC_FROM, bytes.length));
  return bytes;
}

/** What is known of producers is read first, after opening. */
async function takeBatch(shard: Shard, batch: Uint8Array): Promise<void> {
  while (shard.tryAppendBatch(batch) === BACKPRESSURE) await shard.writable();
}

async function fill(shard: Shard, from: number): Promise<void> {
  for (let i = from; i < from + 300; i++) {
    take(shard.tryAppend(record(i)));
    if (i % 90 === 0) await shard.flush(i % 180 === 0 ? "disk" : "os");
  }
  take(shard.tryAppendBatch(blob(from, 20)));
  take(shard.tryAppendBatch(packed(1, (bytes) => zlib.gzipSync(bytes), from, 40)));
  take(shard.tryAppend(record(from + 1)));
  take(shard.tryAppendBatch(packed(4, (bytes) => zlib.zstdCompressSync(bytes), from + 7, 25)));
  for (const [i, golden] of GOLDEN_BATCHES.filter(({ name }) => FOREIGN.includes(name)).entries()) {
    await takeBatch(shard, foreign(golden, 4711 + from * 10 + i));
  }
  // Larger than a batch, larger than a segment, and small ones behind them.
  for (const size of [1000, 20_000]) {
    take(shard.tryAppend({ key: "large", value: "ä".repeat(size / 2), timestamp: START }));
  }
  for (let i = from; i < from + 10; i++) take(shard.tryAppend(record(i)));
}

async function withLog(directory: string, write: (log: Log) => Promise<void>): Promise<void> {
  const log = await openLog(directory, options);
  try {
    await write(log);
  } finally {
    await log.close();
  }
}

const directory = process.argv[2];
// Two lives, so that there are two epochs, and a segment that the second one goes on with.
for (const life of [0, 1]) {
  await withLog(directory, async (log) => {
    for (const shard of log.shards) await fill(shard, life * 1000 + shard.id * 100);
  });
}
