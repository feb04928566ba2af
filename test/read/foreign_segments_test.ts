/** Segments that a broker wrote: every kind of batch, holes, transactions; read as Kafka reads them. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Isolation, Log, LogRecord } from "../../mod.ts";
import { CONTROL, EPOCH_AT, TRANSACTIONAL } from "../../src/batch/format.ts";
import { writeI32 } from "../../src/bytes.ts";
import { makeForeignLog } from "../fixtures/foreign_log.ts";
import { GOLDEN_BATCHES, goldenBytes } from "../fixtures/kafka_batches.ts";
import { concat, referenceBatch, referenceRecord, simpleBatch } from "../fixtures/reference_batch.ts";
import { collect, reopen, useDirectory } from "../helpers.ts";

/** A log with one shard whose one segment holds these batches, with holes allowed; opened for reading and for writing. */
async function useSegment(bytes: Uint8Array, body: (log: Log) => Promise<void>): Promise<void> {
  for (const readOnly of [true, false]) {
    await useDirectory(async (directory) => {
      await makeForeignLog(directory, bytes);
      await reopen(directory, { readOnly }, body);
    });
  }
}

function shown(record: LogRecord): unknown {
  const { offset, timestamp, headers } = record;
  const text = (bytes: Uint8Array | null): string | null => bytes === null ? null : new TextDecoder().decode(bytes);
  return {
    offset,
    timestamp,
    key: record.keyText(),
    value: record.text(),
    headers: headers.map(([name, value]) => [name, text(value)]),
  };
}

/** The end of a transaction. */
function marker(baseOffset: number, producerId: number, type: "abort" | "commit"): Uint8Array {
  const key = Uint8Array.of(0, 0, 0, type === "commit" ? 1 : 0);
  const record = referenceRecord({ key, value: new Uint8Array(6) });
  return referenceBatch(
    { baseOffset, producerId, producerEpoch: 0, count: 1, attributes: TRANSACTIONAL | CONTROL },
    record,
  );
}

function transactional(baseOffset: number, producerId: number, text: string): Uint8Array {
  return simpleBatch(baseOffset, 2, text, { producerId, producerEpoch: 0, attributes: TRANSACTIONAL });
}

const ISOLATIONS: readonly Isolation[] = ["committed", "uncommitted"];

/** All of them one behind the other. In a segment of one partition epochs never fall: they are outside the checksum. */
const EVERY_KIND: Uint8Array = concat(...GOLDEN_BATCHES.map((golden) => {
  const bytes = goldenBytes(golden).slice();
  writeI32(bytes, EPOCH_AT, golden.header.baseOffset < 4 ? 0 : 7);
  return bytes;
}));

describe("a segment with every kind of batch", () => {
  it("gives the records that Kafka gives", async () => {
    await useSegment(EVERY_KIND, async (log) => {
      const expected = GOLDEN_BATCHES.filter((golden) => (golden.header.attributes & CONTROL) === 0)
        .flatMap((golden) => golden.records);
      for (const isolation of ISOLATIONS) {
        assert.deepEqual((await collect(log.read({ isolation }))).map(shown), expected, isolation);
      }
      for (const record of expected) {
        const found = await log.get({ offset: record.offset });
        assert.deepEqual(found && shown(found), record);
      }
    });
  });

  it("is gone on behind its last offset", async () => {
    await useSegment(EVERY_KIND, async (log) => {
      if (log.shard(0).state === "readOnly") return;
      assert.deepEqual(await log.append({ value: "next" }), { shard: 0, offset: 29 });
      assert.equal((await collect(log.read({ from: 28 }))).length, 2);
    });
  });
});

describe("transactions", () => {
  const segment = concat(
    transactional(0, 1, "committed"),
    transactional(2, 2, "aborted"),
    simpleBatch(4, 1, "plain"),
    transactional(5, 1, "committed"),
    marker(7, 2, "abort"),
    marker(8, 1, "commit"),
    transactional(9, 2, "committed"),
    transactional(11, 1, "aborted"),
    marker(13, 1, "abort"),
    marker(14, 2, "commit"),
    // The same producers again, and nobody ends these.
    transactional(15, 1, "open"),
    simpleBatch(17, 1, "plain"),
  );

  it("are all there, markers apart, unless asked otherwise", async () => {
    await useSegment(segment, async (log) => {
      const offsets = [0, 1, 2, 3, 4, 5, 6, 9, 10, 11, 12, 15, 16, 17];
      assert.deepEqual((await collect(log.read())).map((record) => record.offset), offsets);
      assert.deepEqual((await collect(log.read({ isolation: "uncommitted" }))).map((record) => record.offset), offsets);
    });
  });

  it("that were aborted, or never ended, are hidden with committed", async () => {
    await useSegment(segment, async (log) => {
      const records = await collect(log.read({ isolation: "committed" }));
      assert.deepEqual(records.map((record) => record.offset), [0, 1, 4, 5, 6, 9, 10, 17]);
      assert.deepEqual(new Set(records.map((record) => record.text())), new Set(["committed", "plain"]));
      const bases: number[] = [];
      for await (const batch of log.batches({ isolation: "committed" })) bases.push(batch.baseOffset);
      assert.deepEqual(bases, [0, 4, 5, 9, 17]);
    });
  });

  it("are judged from wherever a reader begins", async () => {
    await useSegment(segment, async (log) => {
      for (let from = 0; from <= 18; from++) {
        const found = await collect(log.read({ from, isolation: "committed" }));
        assert.deepEqual(
          found.map((record) => record.offset),
          [0, 1, 4, 5, 6, 9, 10, 17].filter((offset) => offset >= from),
        );
        const one = await collect(log.read({ from, limit: 1, isolation: "committed" }));
        assert.equal(one[0]?.offset, found[0]?.offset);
      }
    });
  });

  it("do not hold up a follower", async () => {
    await useSegment(segment, async (log) => {
      if (log.shard(0).state === "readOnly") return;
      const reader = log.read({ from: 15, follow: true, isolation: "committed" });
      assert.equal((await reader.next()).value.offset, 17);
      const next = reader.next();
      await log.append({ value: "more" });
      assert.equal((await next).value.text(), "more");
      await reader.return!();
    });
  });

  it("cannot be read in a third way", async () => {
    await useSegment(segment, (log) => {
      assert.throws(() => log.read({ isolation: "serializable" as Isolation }), RangeError);
      return Promise.resolve();
    });
  });
});
