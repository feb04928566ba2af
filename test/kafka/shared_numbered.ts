/** What those may rely on who number their records or batches themselves, wherever the log is. */
import assert from "node:assert/strict";
import { it } from "node:test";
import fc from "fast-check";
import { BACKPRESSURE, BatchBuilder } from "../../mod.ts";
import { SEQUENCES } from "../../src/batch/producer_fields.ts";
import { fails, outcomeOf, texts } from "../helpers.ts";
import { answerOf, produced, send, values } from "../idempotence/batches.ts";
import { chosenBatch, expectedOf, type ModelBatch, type Sending, sendingsOf } from "../idempotence/kafka_rules.ts";
import { life, type Place, tester, type UsePlace } from "./place.ts";

/** A cluster numbers its own producers from 0 on. */
const ID = 2 ** 40;

/** Registers the tests. */
export function sharedNumbered(skip: string | false, use: UsePlace): void {
  const test = tester(skip, use);

  test("a named producer does not write again what it is given again with its number", 1, async (log) => {
    const producer = await log.idempotentProducer("n");
    for (let n = 0; n < 8; n++) await producer.append([{ value: "a" }, { value: "b" }], { sequence: n * 2 });
    assert.deepEqual(await producer.append([{ value: "a" }, { value: "b" }], { sequence: 8 }), { shard: 0, offset: 8 });
    assert.equal(log.shard(0).nextOffset, 16);
    const old = await fails("CONFLICT", () => producer.append([{ value: "a" }, { value: "b" }], { sequence: 2 }));
    assert.deepEqual([old.reason, old.expected, old.actual], ["DUPLICATE_SEQUENCE_NUMBER", 16, 2]);
    const gap = await fails("CONFLICT", () => producer.append({ value: "a" }, { sequence: 17 }));
    assert.deepEqual([gap.reason, gap.expected, gap.actual], ["OUT_OF_ORDER_SEQUENCE_NUMBER", 16, 17]);
    const far = await fails("CONFLICT", () => producer.append({ value: "a" }, { sequence: SEQUENCES }));
    assert.deepEqual([far.reason, far.expected, far.actual], ["OUT_OF_ORDER_SEQUENCE_NUMBER", 16, SEQUENCES]);
  });

  test("a named producer goes on counting behind 2^31 records", 1, async (log) => {
    const producer = await log.idempotentProducer("n", { firstSequence: SEQUENCES - 3 });
    assert.equal(producer.nextSequence, SEQUENCES - 3);
    await producer.append({ value: "a" });
    assert.throws(
      () => producer.tryAppend([{ value: "b" }, { value: "c" }, { value: "d" }]),
      /the first 2 on their own/,
    );
    await producer.append([{ value: "b" }, { value: "c" }]);
    assert.equal(producer.nextSequence, SEQUENCES);
    await producer.append({ value: "d" });
    assert.equal(producer.nextSequence, SEQUENCES + 1);
    assert.equal((await producer.append({ value: "d" }, { sequence: SEQUENCES })).offset, 3);
    const old = await fails("CONFLICT", () => producer.append({ value: "a" }, { sequence: SEQUENCES - 3 }));
    assert.equal(old.reason, "DUPLICATE_SEQUENCE_NUMBER");
  });

  it(
    "a named producer counts its records, over restarts, and knows the last one's offset",
    { skip },
    () =>
      use(1, async (place) => {
        await life(place, async (log) => {
          const producer = await log.idempotentProducer("importer-7");
          assert.deepEqual([producer.nextSequence, producer.lastSequence, producer.lastOffset], [0, -1, -1]);
          assert.deepEqual(await producer.append({ value: "0" }), { shard: 0, offset: 0 });
          await log.append({ value: "other" });
          assert.deepEqual(await producer.append([{ value: "1" }, { key: "k", value: "2" }]), { shard: 0, offset: 2 });
          assert.equal(producer.tryAppend({ value: "3" }), 4);
          assert.deepEqual([producer.nextSequence, producer.lastSequence, producer.lastOffset], [4, 3, 4]);
        });
        for (let again = 0; again < 2; again++) {
          await life(place, async (log) => {
            const producer = await log.idempotentProducer("importer-7");
            assert.deepEqual([producer.nextSequence, producer.lastOffset], [4, 4]);
            assert.equal((await log.idempotentProducer("importer-8")).nextSequence, 0);
            assert.deepEqual(await values(log), ["0", "other", "1", "2", "3"]);
            // The last call of a life that was cut off is made again.
            assert.equal((await producer.append({ value: "3" }, { sequence: 3 })).offset, 4);
            assert.equal((await producer.append([{ value: "1" }, { value: "2" }], { sequence: 1 })).offset, 2);
            assert.equal(log.shard(0).nextOffset, 5);
          });
        }
        await life(place, async (log) => {
          const producer = await log.idempotentProducer("importer-7");
          assert.deepEqual(await producer.append({ value: "4" }), { shard: 0, offset: 5 });
          assert.deepEqual(await values(log), ["0", "other", "1", "2", "3", "4"]);
        });
      }),
  );

  it(
    "a named producer keeps the order of its calls where they wait for room, and gives up with a signal",
    { skip },
    () =>
      use(1, (place) =>
        life(place, async (log) => {
          const producer = await log.idempotentProducer("n");
          const padding = "x".repeat(10_000);
          const all = Array.from({ length: 50 }, (_, n) => producer.append({ value: `${n} ${padding}` }));
          const controller = new AbortController();
          const late = producer.append({ value: "late" }, { signal: controller.signal });
          controller.abort(new Error("enough"));
          await assert.rejects(late, /enough/);
          assert.deepEqual(
            (await Promise.all(all)).map(({ offset }) => offset),
            Array.from({ length: 50 }, (_, n) => n),
          );
          const found = (await values(log)).map((value) => Number.parseInt(value));
          assert.deepEqual(found, Array.from({ length: 50 }, (_, n) => n));
        }, { maxBufferPerShard: 65_536, flushIntervalMs: 1 })),
  );

  test("a named producer refuses what cannot be one call", 1, async (log) => {
    const producer = await log.idempotentProducer("n");
    assert.throws(() => producer.tryAppend([]), RangeError);
    const large = Array.from({ length: 3 }, () => ({ value: "x".repeat(400_000) }));
    assert.throws(() => producer.tryAppend(large), /first 2/);
    assert.throws(() => producer.tryAppend({ value: 5 as unknown as string }), TypeError);
    assert.throws(() => producer.tryAppend(null as unknown as []), TypeError);
    assert.throws(() => producer.tryAppend({ value: "x" }, { sequence: -1 }), RangeError);
    assert.equal(producer.nextSequence, 0);
    assert.notEqual(producer.tryAppend({ value: "x".repeat(900_000) }), BACKPRESSURE);
  });

  test("a named producer asks for its shard and a name, and counts in each shard on its own", 2, async (log) => {
    await assert.rejects(log.idempotentProducer("n"), TypeError);
    for (const name of ["", "x".repeat(1025), 5 as unknown as string]) {
      await assert.rejects(log.idempotentProducer(name, { shard: 0 }), TypeError);
    }
    await assert.rejects(log.idempotentProducer("n", { shard: 2 }), RangeError);
    await assert.rejects(log.idempotentProducer("n", { shard: 0, firstSequence: -1 }), RangeError);
    const [a, b] = [await log.idempotentProducer("n", { shard: 0 }), await log.idempotentProducer("n", { shard: 1 })];
    await a.append([{ value: "1" }, { value: "2" }]);
    await b.append({ value: "1" });
    assert.deepEqual([a.nextSequence, b.nextSequence, a.id === b.id], [2, 1, true]);
    await log.close();
    await fails("CLOSED", () => log.idempotentProducer("n", { shard: 0 }));
    await fails("CLOSED", () => a.append({ value: "3" }));
  });

  test("two producers of one name in one log count together", 1, async (log) => {
    const [a, b] = [await log.idempotentProducer("n"), await log.idempotentProducer("n")];
    await a.append({ value: "0" });
    await b.append({ value: "1" });
    assert.deepEqual([a.nextSequence, b.nextSequence], [2, 2]);
    assert.equal((await b.append({ value: "0" }, { sequence: 0 })).offset, 0);
  });

  test("a batch with a producer id is taken once, and a second time answers the first offset", 1, async (log) => {
    const shard = log.shard(0);
    assert.equal(await send(shard, produced(ID, 0, 0, 3)), 0);
    shard.tryAppend({ value: "between" });
    assert.equal(await send(shard, produced(ID, 0, 3, 2)), 4);
    assert.equal(await send(shard, produced(ID, 0, 0, 3)), 0);
    await shard.acknowledged(5);
    assert.equal(await send(shard, produced(ID, 0, 3, 2)), 4);
    await shard.acknowledged(5);
    assert.equal(shard.nextOffset, 6);
    const expected = [0, 1, 2, "between", 3, 4].map((n) => typeof n === "number" ? `${ID}/0/${n}` : n);
    assert.deepEqual(await log.flush().then(() => values(log)), expected);
  });

  test("a batch is acknowledged the second time when the first is", 1, async (log) => {
    const shard = log.shard(0);
    await send(shard, produced(ID, 0, 0, 3));
    const [first, again] = [await send(shard, produced(ID, 0, 3, 3)), await send(shard, produced(ID, 0, 3, 3))];
    assert.equal(first, again);
    const waiting = shard.acknowledged(again + 2);
    await shard.flush("disk");
    assert.equal(await outcomeOf(waiting), "resolved");
  });

  test("a batch is refused out of order, and when it is damaged for that", 1, async (log) => {
    const shard = log.shard(0);
    await send(shard, produced(ID, 3, 0, 2));
    const gap = await fails("CONFLICT", () => shard.tryAppendBatch(produced(ID, 3, 3)));
    assert.deepEqual([gap.reason, gap.expected, gap.actual], ["OUT_OF_ORDER_SEQUENCE_NUMBER", 2, 3]);
    const fenced = await fails("CONFLICT", () => shard.tryAppendBatch(produced(ID, 2, 2)));
    assert.deepEqual([fenced.reason, fenced.expected, fenced.actual], ["INVALID_PRODUCER_EPOCH", 3, 2]);
    for (const blob of [produced(ID, 3, 0, 2), produced(ID, 3, 2), produced(ID, 3, 9)]) {
      blob[blob.length - 2] ^= 1;
      await fails("BATCH_INVALID", () => shard.tryAppendBatch(blob));
    }
    assert.equal(shard.nextOffset, 2);
    // What was refused has left no trace.
    assert.equal(await send(shard, produced(ID, 3, 2)), 2);
    assert.equal(await send(shard, produced(ID, 4, 0)), 3);
    const late = await fails("CONFLICT", () => shard.tryAppendBatch(produced(ID, 3, 3)));
    assert.equal(late.reason, "INVALID_PRODUCER_EPOCH");
  });

  it(
    "a shard knows its producers again after a restart, and nobody else waits for that",
    { skip },
    () =>
      use(1, async (place) => {
        await life(place, async (log) => {
          for (let n = 0; n < 7; n++) await send(log.shard(0), produced(ID, 0, n * 3, 3));
        });
        await life(place, async (log) => {
          const shard = log.shard(0);
          assert.equal(shard.tryAppendBatch(produced(ID, 0, 18, 3)), BACKPRESSURE);
          assert.equal(shard.tryAppend({ value: "plain" }), 21);
          const aborted = shard.writable({ signal: AbortSignal.abort(new Error("enough")) });
          await assert.rejects(aborted, /enough/);
          await shard.writable();
          for (let n = 6; n >= 2; n--) assert.equal(await send(shard, produced(ID, 0, n * 3, 3)), n * 3);
          const old = await fails("CONFLICT", () => send(shard, produced(ID, 0, 3, 3)));
          assert.deepEqual([old.reason, old.expected], ["DUPLICATE_SEQUENCE_NUMBER", 21]);
          assert.equal(shard.tryAppendBatch(produced(ID, 0, 21)), 22);
          assert.equal(await send(shard, produced(ID, 0, 18, 3)), 18);
          await shard.flush();
          assert.equal((await values(log)).length, 23);
        });
      }),
  );

  it("a batch that is in flight while the log is closed gets an answer", { skip }, () =>
    use(1, async (place) => {
      await life(place, (log) => send(log.shard(0), produced(ID, 0, 0)));
      await life(place, async (log) => {
        assert.equal(log.shard(0).tryAppendBatch(produced(ID, 0, 1)), BACKPRESSURE);
        const room = log.shard(0).writable();
        await Promise.all([log.close(), fails("CLOSED", () => room)]);
      });
    }));

  test("records, batches and numbered batches of several producers keep their order", 1, async (log) => {
    const shard = log.shard(0);
    const expected: string[] = [];
    const builder = new BatchBuilder();
    for (let n = 0; n < 60; n++) {
      shard.tryAppend({ value: `plain ${n}` });
      await send(shard, produced(ID + n % 3, 0, Math.floor(n / 3)));
      builder.add({ value: `blob ${n}` });
      shard.tryAppendBatch(builder.finish());
      expected.push(`plain ${n}`, `${ID + n % 3}/0/${Math.floor(n / 3)}`, `blob ${n}`);
    }
    await log.flush();
    assert.deepEqual(await texts(log.read()), expected);
  });

  it("producers and a plain list agree, whatever is sent, over restarts", { skip, timeout: 240_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 20, maxLength: 50, size: "max" }),
        fc.constantFrom(0, SEQUENCES - 10),
        (steps, first) => use(1, (place) => follow(place, steps, first)),
      ),
      { numRuns: 8, endOnFailure: true },
    );
  });
}

interface Step extends Sending {
  readonly kind: "send" | "plain" | "flush" | "reopen";
}

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom<Step["kind"]>("send", "send", "send", "send", "send", "send", "plain", "flush", "reopen"),
  ...sendingsOf([ID, ID + 1, 2 ** 52 + 7]),
});

/** Sends what the steps say, and compares every answer with Kafka's rules. */
async function follow(place: Place, steps: readonly Step[], first: number): Promise<void> {
  let log = await place.open();
  const model = new Map<number, ModelBatch[]>();
  const written: string[] = [];
  for (const s of steps) {
    if (s.kind === "plain") {
      log.shard(0).tryAppend({ value: "p" });
      written.push("p");
    } else if (s.kind === "flush") await log.flush();
    else if (s.kind === "reopen") {
      await log.close();
      log = await place.open();
    } else {
      const batches = model.get(s.id) ?? [];
      model.set(s.id, batches);
      const { epoch, sequence, count } = chosenBatch(batches, s, first);
      const expected = expectedOf(batches, epoch, sequence, count);
      const answer = await answerOf(log.shard(0), produced(s.id, epoch, sequence, count));
      if (expected === -1) {
        assert.equal(answer, written.length);
        batches.push({ epoch, sequence, count, base: written.length });
        for (let n = 0; n < count; n++) written.push(`${s.id}/${epoch}/${sequence + n}`);
      } else if (expected === "OUT_OF_ORDER_SEQUENCE_NUMBER") {
        // A broker does not tell which borders its batches had before the log was opened.
        assert.ok(answer === expected || answer === "DUPLICATE_SEQUENCE_NUMBER", String(answer));
      } else if (expected === "DUPLICATE_SEQUENCE_NUMBER" && typeof answer === "number") {
        // A broker that has not written the last ones yet knows one further back.
        const same = batches.find((batch) =>
          batch.epoch === epoch && batch.sequence === sequence && batch.count === count
        );
        assert.equal(answer, same?.base);
      } else assert.equal(answer, expected);
    }
  }
  await log.flush();
  assert.deepEqual(await values(log), written);
  await log.close();
}
