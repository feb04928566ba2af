/** What a partition's writer knows of its producers, and whom it asks for the rest; without a broker. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BACKPRESSURE, LogError, type LogErrorCode } from "../../mod.ts";
import { noCodecs } from "../../src/batch/codecs.ts";
import { readProducer } from "../../src/batch/producer_fields.ts";
import type { TakenBatch } from "../../src/idempotence/producer_states.ts";
import { ASKING, type NumberedBatch, PartitionProducers } from "../../src/kafka/log/partition_producers.ts";
import type { PartitionSender } from "../../src/kafka/log/partition_sender.ts";
import { PartitionWriter } from "../../src/kafka/log/partition_writer.ts";
import type { FoundProducer, ProducerSource } from "../../src/kafka/log/producer_source.ts";
import { brokerError, type KafkaError } from "../../src/kafka/wire/kafka_error.ts";
import { fails, outcomeOf } from "../helpers.ts";
import { produced, send } from "../idempotence/batches.ts";

const NOBODY: FoundProducer = { batches: [], isActive: false, unseenBefore: 0 };

/** What a leader says of a producer whose last record has this sequence. */
function endedAt(lastSequence: number): FoundProducer {
  const end: TakenBatch = {
    epoch: 0,
    firstSequence: lastSequence + 1,
    lastSequence,
    baseOffset: -1,
    lastOffset: -1,
    timestamp: 0,
  };
  return { batches: [end], isActive: true, unseenBefore: 0 };
}

/** A source whose questions the test answers. */
class Questions implements ProducerSource {
  readonly asked: { id: number; answer: (found: FoundProducer) => void; fail: (error: Error) => void }[] = [];
  places = 0;

  find(id: number): Promise<FoundProducer> {
    return new Promise((answer, fail) => this.asked.push({ id, answer, fail }));
  }

  place(): Promise<number | undefined> {
    this.places++;
    return Promise.resolve(undefined);
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));

function writerWith(
  producers: ProducerSource,
  sendNumbered: (batch: Uint8Array) => Promise<number | KafkaError>,
): PartitionWriter {
  return new PartitionWriter(
    {
      id: 0,
      earliest: 0,
      nextOffset: 0,
      batchBytes: 65_536,
      maxBatchBytes: 1_000_000,
      maxBuffer: 100_000,
      flushIntervalMs: 1,
      compression: undefined,
      codecs: noCodecs,
      onError() {},
      trim: (before) => Promise.resolve(before),
      producers,
    },
    { send: () => Promise.resolve(0), sendNumbered } as unknown as PartitionSender,
  );
}

describe("producers of a partition", () => {
  it("are asked for once, and not again for what was taken since", async () => {
    const questions = new Questions();
    const producers = new PartitionProducers(0, questions, () => {});
    assert.equal(producers.find(produced(5, 0, 3)), ASKING);
    assert.equal(producers.find(produced(5, 0, 3)), ASKING);
    assert.deepEqual([questions.asked.length, producers.asked, producers.answered], [1, 1, 0]);
    questions.asked[0].answer(endedAt(2));
    await turn();
    for (let n = 3; n < 20; n++) {
      assert.equal(producers.find(produced(5, 0, n)), undefined);
      producers.take(produced(5, 0, n), n);
    }
    assert.equal((producers.find(produced(5, 0, 15)) as NumberedBatch).baseOffset, 15);
    assert.throws(() => producers.find(produced(5, 0, 14)), { reason: "DUPLICATE_SEQUENCE_NUMBER", expected: 20 });
    assert.deepEqual([questions.asked.length, questions.places], [1, 0]);
  });

  it("ask the broker for a batch in front of what is known, as long as it may know one more", async () => {
    const questions = new Questions();
    const producers = new PartitionProducers(0, questions, () => {});
    producers.find(produced(5, 0, 3));
    questions.asked[0].answer(endedAt(2));
    await turn();
    for (let n = 3; n < 8; n++) {
      assert.equal(producers.find(produced(5, 0, 1)), ASKING);
      await turn();
      assert.throws(() => producers.find(produced(5, 0, 1)), { reason: "DUPLICATE_SEQUENCE_NUMBER", expected: n });
      producers.take(produced(5, 0, n), n);
    }
    assert.equal(questions.places, 5);
    assert.throws(() => producers.find(produced(5, 0, 1)), { reason: "DUPLICATE_SEQUENCE_NUMBER" });
    assert.throws(() => producers.find(produced(5, 0, 1, 3)), { reason: "OUT_OF_ORDER_SEQUENCE_NUMBER" });
    assert.equal(questions.places, 5);
  });

  it("tell once why nothing can be found out, and ask again", async () => {
    const questions = new Questions();
    const producers = new PartitionProducers(0, questions, () => {});
    producers.find(produced(5, 0, 3));
    questions.asked[0].fail(new LogError("IO", "Cannot ask"));
    await turn();
    assert.throws(() => producers.find(produced(5, 0, 3)), { code: "IO" satisfies LogErrorCode });
    assert.equal(producers.find(produced(5, 0, 3)), ASKING);
    questions.asked[1].answer(NOBODY);
    await turn();
    assert.equal(producers.find(produced(5, 0, 3)), undefined);
    const loading = producers.load(6);
    questions.asked[2].fail(new LogError("UNSUPPORTED", "Cannot ask"));
    await fails("UNSUPPORTED", () => loading);
  });

  it("are forgotten beyond 16,384, but names and what is on its way are not", async () => {
    const found = new Map<number, number>();
    const source: ProducerSource = {
      find: (id) => {
        found.set(id, (found.get(id) ?? 0) + 1);
        return Promise.resolve(NOBODY);
      },
      place: () => Promise.resolve(undefined),
    };
    const producers = new PartitionProducers(0, source, () => {});
    const name = 2 ** 52 + 1;
    await producers.load(name);
    for (let id = 0; id < 3; id++) {
      await producers.load(id);
      if (id === 1) producers.take(produced(id, 0, 0), 0);
    }
    for (let id = 100; id < 100 + 16_384; id++) await producers.load(id);
    for (const id of [name, 0, 1, 2]) await producers.load(id);
    assert.deepEqual([name, 0, 1, 2].map((id) => found.get(id)), [1, 2, 1, 2]);
  });
});

describe("a partition's writer", () => {
  it("lets who waits for an answer go on when it is there, whoever asks meanwhile", async () => {
    const questions = new Questions();
    const writer = writerWith(questions, () => Promise.resolve(0));
    assert.equal(writer.tryAppendBatch(produced(1, 0, 0)), BACKPRESSURE);
    const first = writer.writable();
    assert.equal(writer.tryAppendBatch(produced(2, 0, 0)), BACKPRESSURE);
    const second = writer.writable();
    questions.asked[0].answer(NOBODY);
    await first;
    assert.equal(await outcomeOf(second), "pending");
    assert.equal(writer.tryAppendBatch(produced(1, 0, 0)), 0);
    questions.asked[1].answer(NOBODY);
    await second;
    await writer.close();
  });

  it("does not send a batch behind one of its producer that was refused", async () => {
    let last = 0;
    const found: ProducerSource = {
      find: () => Promise.resolve(endedAt(last)),
      place: () => Promise.resolve(undefined),
    };
    const sent: number[] = [];
    const writer = writerWith(found, async (batch) => {
      await turn();
      const { id, sequence } = readProducer(batch, 0);
      if (id !== 1) return 50;
      sent.push(sequence);
      if (sequence !== 1 || last !== 0) return 100 + sequence;
      last = 7;
      return brokerError(45, "write");
    });
    const numbers: number[] = [];
    for (const id of [1, 2]) numbers.push(await send(writer, produced(id, 0, 1)));
    for (let n = 2; n < 9; n++) numbers.push(await send(writer, produced(1, 0, n)));
    const waiting = numbers.map((number) => writer.placed(number).catch((error: LogError) => error));
    const results = await Promise.all(waiting);
    assert.equal(results[1], 50);
    for (const [i, result] of results.entries()) {
      if (i === 1) continue;
      assert.ok(result instanceof LogError && result.reason !== undefined, `${i}: ${String(result)}`);
    }
    assert.deepEqual(sent, [1]);
    assert.equal(writer.state, "open");
    assert.equal(await send(writer, produced(1, 0, 8)).then((number) => writer.placed(number)), 108);
    await writer.close();
  });
});
