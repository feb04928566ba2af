/** A log goes to a real broker and comes back: the same records, each once, at the same offsets. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { after, before, describe, it } from "node:test";
import { KafkaError, mirrorToKafka, OffsetMapping, restoreFromKafka } from "../../kafka.ts";
import { openLog } from "../../mod.ts";
import { CONTROL, LOG_APPEND_TIME, TRANSACTIONAL } from "../../src/batch/format.ts";
import { makeForeignLog } from "../fixtures/foreign_log.ts";
import { concat, referenceBatch, referenceRecord, simpleBatch } from "../fixtures/reference_batch.ts";
import { collect, fails, reopen, useDirectory } from "../helpers.ts";
import { Broker, whyNoKafka } from "./broker.ts";
import { createTopic } from "./create_topics.ts";
import { consoleLine, consumedLines, logLines, writeRecords } from "./written_log.ts";

/** Asked for as `MIRROR_RECORDS`; a million for the whole proof. */
const RECORDS = Number(process.env.MIRROR_RECORDS ?? 20_000);
const skip = whyNoKafka();
let broker: Broker;

/** Batches of all segments of a shard, without what Kafka's checksum leaves out. */
function recordBytes(directory: string): Uint8Array {
  const files = readdirSync(directory).filter((name) => name.endsWith(".log")).sort();
  const whole = concat(...files.map((name) => new Uint8Array(readFileSync(join(directory, name)))));
  const view = new DataView(whole.buffer);
  const parts: Uint8Array[] = [];
  for (let at = 0; at < whole.length; at += view.getInt32(at + 8) + 12) {
    parts.push(whole.subarray(at, at + 8), whole.subarray(at + 61, at + view.getInt32(at + 8) + 12));
  }
  return concat(...parts);
}

describe("a mirror to a real broker", () => {
  before(async () => {
    if (skip !== false) return;
    broker = await Broker.create();
    await broker.start();
  });
  after(() => broker?.remove());

  it(
    "sends everything, and Kafka's console consumer and a restored log have it at the same offsets",
    { skip },
    async () => {
      await useDirectory(async (directory) => {
        const path = join(directory, "log");
        const half = RECORDS / 2;
        await writeRecords(path, 3, 0, half);
        await createTopic(broker, "all", 3);
        const to = { brokers: broker.address, topic: "all" };
        assert.equal((await reopen(path, { readOnly: true }, (log) => mirrorToKafka(log, to))).records, half);
        await writeRecords(path, 3, half, RECORDS);
        const expected = await reopen(path, { readOnly: true }, async (log) => {
          const { records, shards } = await mirrorToKafka(log, to);
          assert.equal(records, RECORDS - half, "only what is new");
          for (const [i, { sourceNext, targetEnd }] of shards.entries()) {
            assert.deepEqual([sourceNext, targetEnd], [log.shard(i).written, log.shard(i).written]);
          }
          assert.equal((await mirrorToKafka(log, to)).records, 0);
          return await logLines(log);
        });
        const consumed = await consumedLines(broker, "all", 3, RECORDS);
        assert.deepEqual(consumed.map((lines) => lines.length), expected.map((lines) => lines.length));
        assert.deepEqual(consumed, expected);

        const restored = join(directory, "restored");
        const result = await restoreFromKafka(restored, { ...to, segmentBytes: 1_000_000 });
        assert.equal(result.records, RECORDS);
        await reopen(restored, {}, async (log) => {
          assert.deepEqual(log.recovery.map(({ verdict }) => verdict), ["clean", "clean", "clean"]);
          assert.deepEqual(await logLines(log), expected);
          await log.append({ value: "it goes on" });
        });
        assert.deepEqual(recordBytes(join(path, "log-1")), recordBytes(join(restored, "all-1")));
        await fails("CONFLICT", () => restoreFromKafka(restored, to));
      });
    },
  );

  it("leaves out voids, markers and what was aborted; its mapping answers both ways", { skip }, async () => {
    const value = new TextEncoder().encode("v");
    const producer = { producerId: 7, producerEpoch: 0 };
    const end = (baseOffset: number, type: number): Uint8Array =>
      referenceBatch(
        { baseOffset, ...producer, count: 1, attributes: TRANSACTIONAL | CONTROL },
        referenceRecord({ key: Uint8Array.of(0, 0, 0, type), value: new Uint8Array(6) }),
      );
    const segment = concat(
      simpleBatch(100, 10),
      referenceBatch({ baseOffset: 110, lastOffsetDelta: 4, count: 0, baseTimestamp: -1 }),
      simpleBatch(115, 5, "transaction", { ...producer, attributes: TRANSACTIONAL }),
      end(120, 1),
      simpleBatch(121, 5, "aborted", { ...producer, attributes: TRANSACTIONAL }),
      end(126, 0),
      // Compacted: offsets 130, 132 and 133 are left of 130 to 139.
      referenceBatch(
        { baseOffset: 130, lastOffsetDelta: 9, count: 3, baseTimestamp: 5000 },
        concat(...[0, 2, 3].map((offsetDelta) => referenceRecord({ offsetDelta, value, timestampDelta: offsetDelta }))),
      ),
      simpleBatch(140, 2, "late", { attributes: LOG_APPEND_TIME, maxTimestamp: 9000 }),
    );
    await useDirectory(async (directory) => {
      await makeForeignLog(directory, segment, 100);
      await createTopic(broker, "gaps", 1);
      const to = { brokers: broker.address, topic: "gaps" };
      for (let run = 0; run < 3; run++) {
        await reopen(directory, { readOnly: true }, async (log) => {
          const { records, shards: [{ targetEnd, mapping }] } = await mirrorToKafka(log, to);
          assert.deepEqual([records, targetEnd], [run === 0 ? 20 : 0, 20]);
          const kept = await collect(log.read({ isolation: "committed" }));
          assert.deepEqual(kept.map(({ offset }) => mapping.toTarget(offset)), [...Array(20).keys()]);
          assert.deepEqual(
            [...Array(20).keys()].map((offset) => mapping.toSource(offset)),
            kept.map(({ offset }) => offset),
          );
          const lines = kept.map((record, offset) => consoleLine(record, offset));
          if (run === 0) assert.deepEqual(await consumedLines(broker, "gaps", 1, 20), [lines]);
        });
      }
      // Without its file it finds its place by the topic's last batch.
      await reopen(directory, { readOnly: true }, async (log) => {
        await useDirectory(async (stateDirectory) => {
          const failure = await fails("CONFLICT", () => mirrorToKafka(log, { ...to, topic: "all", stateDirectory }));
          assert.match(failure.message, /3 partitions, the log has 1 shards/);
          const { records, shards: [{ mapping }] } = await mirrorToKafka(log, { ...to, stateDirectory });
          assert.equal(records, 0);
          assert.deepEqual([130, 132, 133, 140].map((offset) => mapping.toTarget(offset)), [15, 16, 17, 18]);
        });
      });
    });
  });

  it("restores a topic that begins late and has gaps", { skip }, async () => {
    await useDirectory(async (directory) => {
      const log = join(directory, "log");
      await createTopic(broker, "late", 2);
      await writeRecords(log, 2, 0, 500);
      const to = { brokers: broker.address, topic: "late" };
      await reopen(log, { readOnly: true }, (log) => mirrorToKafka(log, to));
      const json = join(directory, "delete.json");
      const partitions = [{ topic: "late", partition: 0, offset: 33 }, { topic: "late", partition: 1, offset: -1 }];
      writeFileSync(json, JSON.stringify({ partitions, version: 1 }));
      await broker.tool("org.apache.kafka.tools.DeleteRecordsCommand", ["--offset-json-file", json]);
      const restored = join(directory, "restored");
      const { shards } = await restoreFromKafka(restored, to);
      const expected = await reopen(log, { readOnly: true }, logLines);
      await reopen(restored, {}, async (log) => {
        assert.deepEqual(shards[1], { earliest: expected[1].length, nextOffset: expected[1].length });
        assert.deepEqual(await logLines(log), [expected[0].slice(33), []]);
        assert.equal((await collect(log.read({ shard: 0 })))[0].offset, 33);
        const { offset } = await log.append({ key: null, value: "next" });
        assert.ok(offset === expected[0].length || offset === expected[1].length);
      });
      // The topic goes on from where it ends, also where nothing of it is left to compare with.
      await writeRecords(log, 2, 500, 600);
      assert.equal((await reopen(log, { readOnly: true }, (log) => mirrorToKafka(log, to))).records, 100);
    });
  });

  it("says what is wrong, loses nothing and sends nothing twice", { skip }, async () => {
    await useDirectory(async (directory) => {
      const log = await openLog(directory, { topic: "log", batchBytes: 1_000_000 });
      try {
        await log.append({ value: "first" });
        const brokers = broker.address;
        const unknown = await fails("CONFLICT", () => mirrorToKafka(log, { brokers, topic: "nowhere" }));
        assert.ok(unknown instanceof KafkaError && unknown.kafka === "UNKNOWN_TOPIC_OR_PARTITION");
        assert.match(unknown.message, /create the topic/);

        await createTopic(broker, "small", 1, { "max.message.bytes": "5000" });
        await log.append({ value: "x".repeat(20_000) });
        const large = await fails("RECORD_TOO_LARGE", () => mirrorToKafka(log, { brokers, topic: "small" }));
        assert.match(large.message, /max\.message\.bytes of the topic is 5000; raise it to at least 200\d\d/);
        await broker.tool(
          "kafka.admin.ConfigCommand",
          [
            ...[
              "--alter",
              "--entity-type",
              "topics",
              "--entity-name",
              "small",
              "--add-config",
              "max.message.bytes=50000",
            ],
          ],
        );
        assert.equal((await mirrorToKafka(log, { brokers, topic: "small" })).records, 1);
        assert.equal((await consumedLines(broker, "small", 1, 2))[0].length, 2);

        const words = ["--topic", "small"];
        await broker.tool("org.apache.kafka.tools.ConsoleProducer", words, { input: "from somebody else\n" });
        const other = await fails("CONFLICT", () => mirrorToKafka(log, { brokers, topic: "small" }));
        assert.match(other.message, /nobody else writes to|other one/);

        const away = { brokers: "127.0.0.1:9", topic: "small" };
        const waits: number[] = [];
        const gone = await fails(
          "IO",
          () => mirrorToKafka(log, { ...away, patienceMs: 300, onWait: (_, pauseMs) => void waits.push(pauseMs) }),
        );
        assert.ok(gone instanceof KafkaError && gone.kafka === "NETWORK" && waits.length > 1);
        const reason = new Error("enough");
        const signal = AbortSignal.abort(reason);
        await assert.rejects(mirrorToKafka(log, { brokers, topic: "small", signal }), reason);
        await assert.rejects(mirrorToKafka(log, { brokers: "a:b:c", topic: "small" }), TypeError);
      } finally {
        await log.close();
      }
    });
  });

  it("follows until it is told to stop, and tells lag and rate", { skip }, async () => {
    await useDirectory(async (directory) => {
      await createTopic(broker, "live", 1);
      const log = await openLog(directory, { topic: "log" });
      const stop = new AbortController();
      const lags: number[] = [];
      const to = { brokers: broker.address, topic: "live" };
      const mirror = mirrorToKafka(log, {
        ...to,
        follow: true,
        signal: stop.signal,
        onProgress: ({ lag, records }) => {
          lags.push(lag);
          if (records === 300 && lag === 0) stop.abort();
        },
      });
      for (let n = 0; n < 300; n++) await log.append({ value: `${n}` });
      await assert.rejects(mirror, { name: "AbortError" });
      assert.equal(lags[lags.length - 1], 0);
      assert.equal((await mirrorToKafka(log, to)).records, 0);
      await log.close();
    });
  });
});

describe("a mapping of offsets", () => {
  it("is as short as there are gaps", { skip }, () => {
    const mapping = new OffsetMapping([[0, 0]]);
    for (let n = 0; n < 1000; n++) assert.equal(mapping.toSource(mapping.toTarget(n)), n);
    assert.deepEqual(mapping.spans, [[0, 0]]);
  });
});
