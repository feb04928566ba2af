/** A partition that workers append to, without a broker: what is sent, what is told, and whose memory it is. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { systemClock } from "../../adapters/system.ts";
import { BACKPRESSURE, BatchBuilder, type LogError } from "../../mod.ts";
import { connectProducer, type Producer, type ProducerHandle } from "../../producer.ts";
import { readHeader } from "../../src/batch/format.ts";
import { poolBytesInUse } from "../../src/batch/memory_pool.ts";
import { RecordDecoder } from "../../src/batch/record_decoder.ts";
import { ClaimBlock } from "../../src/claims/claim_block.ts";
import { contentOf } from "../../src/claims/handle.ts";
import type { FoundProducer } from "../../src/kafka/log/producer_source.ts";
import type { PartitionSender } from "../../src/kafka/log/partition_sender.ts";
import { PartitionWriter } from "../../src/kafka/log/partition_writer.ts";
import type { WriterSettings } from "../../src/kafka/log/writer_settings.ts";
import { Producers } from "../../src/log/producers.ts";
import { fails, take } from "../helpers.ts";
import { Gate } from "../shard/controlled_vfs.ts";

const codecs = { decompress: () => undefined };
const decoded = new TextDecoder();

/** No producer that numbers its batches has written anything. */
const NOTHING_WRITTEN: FoundProducer = { batches: [], isActive: false, unseenBefore: 0 };

/** A partition of a broker that numbers what it gets, and does what a test says. */
class Partition {
  /** The next offset. */
  end = 0;
  readonly batches: { readonly base: number; readonly values: string[] }[] = [];
  /** Answers wait for it. */
  gate: Gate | undefined = undefined;
  failure: Error | undefined = undefined;

  async send(batch: Uint8Array, count: number): Promise<number> {
    assert.ok(batch.buffer instanceof ArrayBuffer, "shared memory is not for sockets");
    const values: string[] = [];
    const decoder = new RecordDecoder(batch, 0, codecs);
    while (decoder.next()) {
      const { bytes, valueStart, valueBytes } = decoder;
      values.push(decoded.decode(bytes.subarray(valueStart, valueStart + valueBytes)));
    }
    assert.equal(values.length, count);
    assert.equal(readHeader(batch, 0).count, count);
    await this.gate?.passed;
    if (this.failure !== undefined) throw this.failure;
    const base = this.end;
    this.end += count;
    this.batches.push({ base, values });
    return base;
  }

  async sendNumbered(batch: Uint8Array, count: number): Promise<number> {
    assert.equal(readHeader(batch, 0).producerId, 7);
    return await this.send(batch, count);
  }

  get values(): string[] {
    return this.batches.flatMap(({ values }) => values);
  }
}

interface Stage {
  readonly partition: Partition;
  readonly writer: PartitionWriter;
  readonly errors: LogError[];
  handle(bufferBytes?: number, leaseMs?: number): ProducerHandle;
}

/** Runs `body` with a writer of a partition; afterwards nothing of the pool may be in use. */
async function useWriter(
  settings: Partial<WriterSettings>,
  body: (stage: Stage) => Promise<void>,
): Promise<void> {
  const inUse = poolBytesInUse();
  const partition = new Partition();
  const errors: LogError[] = [];
  const onError = (error: LogError): void => void errors.push(error);
  const all: WriterSettings = {
    ...{ id: 0, earliest: 0, nextOffset: 0, batchBytes: 1024, maxBatchBytes: 65_536, maxBuffer: 1_000_000 },
    ...{
      flushIntervalMs: Infinity,
      compression: undefined,
      codecs,
      onError,
      trim: (before) => Promise.resolve(before),
    },
    producers: { find: () => Promise.resolve(NOTHING_WRITTEN), place: () => Promise.resolve(undefined) },
    ...settings,
  };
  const writer = new PartitionWriter(all, partition as unknown as PartitionSender);
  const { batchBytes, maxBatchBytes, flushIntervalMs } = all;
  const limits = { batchBytes, maxBatchBytes, flushIntervalMs, flushBytes: 65_536, stride: 1000 };
  const producers = new Producers(limits, "disk", systemClock, 1, onError);
  const handle = (bufferBytes = 131_072, leaseMs = 50) => producers.create([writer], { bufferBytes, leaseMs });
  try {
    await body({ partition, writer, errors, handle });
  } finally {
    await writer.close().catch(() => {});
    producers.stop();
  }
  assert.equal(poolBytesInUse(), inUse);
}

/** Appends, hands over, and answers the number that was told. */
async function produce(producer: Producer, ...values: string[]): Promise<number> {
  const [ticket] = values.map((value) => producer.tryAppend({ value }));
  await producer.flush();
  return (await producer.acknowledged(ticket as number)).offset;
}

/** Claims as a worker does that dies then. */
function claimAndDie(handle: ProducerHandle, count: number): void {
  new ClaimBlock(contentOf(handle).shards[0].block).claim(count);
}

describe("a partition that workers append to", () => {
  it("counts on with them, from what it had taken before", () =>
    useWriter({ nextOffset: 100 }, async ({ partition, writer, handle }) => {
      partition.end = 100;
      assert.equal(take(writer, { value: "a" }), 100);
      const producer = connectProducer(handle());
      assert.equal(take(writer, { value: "b" }), 101);
      const told = producer.tryAppend({ value: "c" }) as number;
      const flushed = producer.flush();
      assert.equal(take(writer, { value: "d" }), 103);
      assert.equal(writer.nextOffset, 104);
      assert.equal(await writer.flush(), 104);
      await flushed;
      assert.deepEqual(await producer.acknowledged(told), { shard: 0, offset: 102 });
      assert.deepEqual(partition.batches.map(({ base, values }) => [base, ...values]), [
        [100, "a"],
        [101, "b"],
        [102, "c"],
        [103, "d"],
      ]);
      assert.deepEqual([writer.taken, writer.sent, writer.bytesBuffered], [4, 4, 0]);
      await producer.close();
    }));

  it("fills batches on this thread as it did without them, and refuses what no topic takes", () =>
    useWriter({ maxBatchBytes: 2048 }, async ({ partition, writer, handle }) => {
      const producer = connectProducer(handle());
      for (let i = 0; i < 30; i++) take(writer, { value: `${i}`.padEnd(100) });
      take(writer, { value: "x".repeat(1900) });
      await fails("RECORD_TOO_LARGE", () => writer.tryAppend({ value: "x".repeat(2000) }));
      take(writer, { value: "last" });
      assert.equal(await writer.flush(), 32);
      assert.deepEqual(partition.batches.map(({ values }) => values.length), [8, 8, 8, 6, 1, 1]);
      await fails("RECORD_TOO_LARGE", () => producer.tryAppend({ value: "x".repeat(2000) }));
      assert.equal(await produce(producer, "x".repeat(1900)), 32);
      await producer.close();
    }));

  it("gives memory back to a worker once the broker has what was in it", () =>
    useWriter({}, async ({ partition, writer, handle }) => {
      partition.gate = new Gate();
      const producer = connectProducer(handle(131_072));
      let taken = 0;
      while (producer.tryAppend({ value: `${taken}`.padEnd(200) }) !== BACKPRESSURE) taken++;
      const writable = producer.writable();
      await new Promise((resolve) => setTimeout(resolve, 20));
      assert.equal(producer.tryAppend({ value: "no" }), BACKPRESSURE);
      assert.equal(writer.bytesBuffered, 0);
      partition.gate.open();
      await writable;
      await producer.close();
      assert.deepEqual(partition.values.map(Number), Array.from({ length: taken }, (_, i) => i));
    }));

  it("passes over what a dead worker had claimed: nothing is sent for it, and nobody waits for more", () =>
    useWriter({}, async ({ partition, writer, handle }) => {
      claimAndDie(handle(), 5);
      const placed = writer.placed(take(writer, { value: "a" }));
      await writer.flush();
      assert.equal(await placed, 0);
      assert.equal(writer.written, 6);
      // Alone at the head, with nothing behind it.
      claimAndDie(handle(), 3);
      assert.equal(await writer.flush(), 9);
      const producer = connectProducer(handle());
      assert.equal(await produce(producer, "b", "c"), 9);
      assert.deepEqual(partition.batches, [{ base: 0, values: ["a"] }, { base: 1, values: ["b", "c"] }]);
      assert.deepEqual([writer.taken, writer.sent], [3, 3]);
      await producer.close();
    }));

  it("goes on with the broker's offsets where others have written, once nothing is on its way", () =>
    useWriter({}, async ({ partition, writer, handle }) => {
      const producer = connectProducer(handle());
      assert.equal(await produce(producer, "a"), 0);
      partition.end += 10;
      partition.gate = new Gate();
      const first = producer.tryAppend({ value: "b" }) as number;
      const flushed = producer.flush();
      writer.collect();
      // Claimed while that is on its way: told with the old numbers.
      const second = writer.placed(take(writer, { value: "c" }));
      const whole = writer.flush();
      partition.gate.open();
      await Promise.all([flushed, whole]);
      assert.equal((await producer.acknowledged(first)).offset, 1);
      assert.equal(await second, 12);
      assert.deepEqual([writer.nextOffset, writer.written], [13, 13]);
      assert.equal(await produce(producer, "d"), 13);
      assert.equal(take(writer, { value: "e" }), 14);
      await producer.close();
      await writer.flush();
      assert.deepEqual(partition.batches.map(({ base }) => base), [0, 11, 12, 13, 14]);
    }));

  it("keeps the numbers of batches that their producer has numbered", () =>
    useWriter({}, async ({ partition, writer, handle }) => {
      const producer = connectProducer(handle());
      const builder = new BatchBuilder({ producer: { id: 7, epoch: 0, sequence: 0 } });
      const batches = ["a", "b"].map((value) => {
        builder.add({ value });
        return builder.finish();
      });
      // The broker is asked for the producer first.
      assert.equal(writer.tryAppendBatch(batches[0].slice()), BACKPRESSURE);
      await writer.writable();
      claimAndDie(handle(), 2);
      assert.equal(writer.tryAppendBatch(batches[0].slice()), 2);
      producer.tryAppend({ value: "w" });
      const flushed = producer.flush();
      assert.equal(writer.tryAppendBatch(batches[1].slice()), 4);
      assert.equal(writer.tryAppendBatch(batches[0].slice()), 2);
      await Promise.all([flushed, writer.flush()]);
      assert.deepEqual(partition.batches.map(({ base, values }) => [base, ...values]), [[0, "a"], [1, "w"], [2, "b"]]);
      // Given again, the offset is known by now.
      assert.equal(writer.tryAppendBatch(batches[1].slice()), 2);
      await producer.close();
    }));

  it("tells workers why it was poisoned, and gives their memory back", () =>
    useWriter({}, async ({ partition, writer, handle, errors }) => {
      const producer = connectProducer(handle());
      assert.equal(await produce(producer, "kept"), 0);
      partition.failure = new Error("the broker is gone");
      take(writer, { value: "own" });
      const lost = producer.tryAppend({ value: "lost" }) as number;
      const flushed = fails("IO", () => producer.flush());
      await fails("IO", () => writer.flush());
      assert.match((await flushed).message, /the broker is gone/);
      await fails("IO", () => producer.acknowledged(lost));
      assert.match((await fails("POISONED", () => producer.tryAppend({ value: "late" }))).message, /from offset 1 on/);
      await fails("POISONED", () => handle());
      assert.deepEqual([errors.length, partition.values.length], [1, 1]);
      await fails("IO", () => producer.close());
    }));

  it("closes behind what they had handed over", () =>
    useWriter({}, async ({ partition, writer, handle }) => {
      const [one, other] = [connectProducer(handle()), connectProducer(handle())];
      one.tryAppend({ value: "a" });
      const flushed = one.flush();
      const open = other.tryAppend({ value: "never handed over" }) as number;
      take(writer, { value: "b" });
      claimAndDie(handle(), 2);
      const unused = handle();
      await writer.close();
      await flushed;
      assert.deepEqual(partition.values, ["a", "b"]);
      await fails("CLOSED", () => other.acknowledged(open));
      await fails("CLOSED", () => connectProducer(unused).tryAppend({ value: "c" }));
      await fails("CLOSED", () => handle());
      assert.deepEqual([writer.state, writer.written], ["closed", 4]);
      await one.close();
      await fails("CLOSED", () => other.close());
    }));
});
