/** A log becomes partitions of a real broker, which takes them as they are; and comes back from it. */
import assert from "node:assert/strict";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { handoverToKafka, importFromKafka } from "../../kafka.ts";
import { type LogRecord, openLog } from "../../mod.ts";
import { concat, referenceBatch, simpleBatch } from "../fixtures/reference_batch.ts";
import { fails, plain, take, useDirectory } from "../helpers.ts";
import { type Broker, useBroker, whyNoKafka } from "./broker.ts";
import { createTopic } from "./create_topics.ts";
import { consoleLine, consumeLines, sortLines } from "./console.ts";

const START = 1_760_000_000_000;
const RECORDS = 3000;
const TOPIC = "chat";
const FIRST = "00000000000000000000.log";

/** Two shards, many segments, two epochs, keys, headers, tombstones. */
async function writeChat(directory: string): Promise<void> {
  for (const life of [0, 1]) {
    const log = await openLog(directory, { shards: 2, topic: TOPIC, segmentBytes: 20_000, batchBytes: 1500 });
    for (let i = life * RECORDS / 2; i < (life + 1) * RECORDS / 2; i++) {
      const key = `user-${i % 37}`;
      take(log.shardFor(key), {
        key,
        value: i % 50 === 7 ? null : `message ${i} ${"ä".repeat(i % 60)}`,
        headers: i % 9 === 0 ? [["trace", `t${i}`], ["trace", "again"]] : [],
        timestamp: START + i * 10,
      });
    }
    await log.close();
  }
}

async function readAll(directory: string): Promise<LogRecord[]> {
  const log = await openLog(directory, { readOnly: true });
  const records: LogRecord[] = [];
  for (const { id } of log.shards) for await (const record of log.read({ shard: id })) records.push(record);
  await log.close();
  return records;
}

/** Steps 3 and 4 of the printed ones. */
function copyAsTold(out: string, broker: Broker): void {
  for (const name of readdirSync(out).filter((name) => name.startsWith(`${TOPIC}-`))) {
    const target = join(broker.dataDirectory, name);
    for (const file of readdirSync(target)) if (file !== "partition.metadata") rmSync(join(target, file));
    cpSync(join(out, name), target, { recursive: true });
  }
}

/** A partition as a broker might have written it: offsets that were claimed and not filled, in the middle and at the end. */
async function writeVoids(directory: string): Promise<void> {
  const empty = (baseOffset: number, offsets: number) =>
    referenceBatch(
      { baseOffset, count: 0, lastOffsetDelta: offsets - 1, baseTimestamp: -1, maxTimestamp: -1 },
      new Uint8Array(),
    );
  mkdirSync(join(directory, "voids-0"), { recursive: true });
  const bytes = concat(simpleBatch(0, 2), empty(2, 3), simpleBatch(5, 2), empty(7, 1));
  writeFileSync(join(directory, "voids-0", FIRST), bytes);
  await importFromKafka(directory, join(directory, "log"));
}

async function offsetsAt(broker: Broker, time: number): Promise<string> {
  const words = ["--topic", TOPIC, "--time", String(time)];
  return (await broker.tool("org.apache.kafka.tools.GetOffsetShell", words)).stdout.trim();
}

describe("handover to Kafka", () => {
  const skip = whyNoKafka();

  it(
    "is taken by a stopped broker without recovery, read from any offset and time, and comes back",
    { skip },
    () =>
      useDirectory((directory) =>
        useBroker(async (broker) => {
          const chat = join(directory, "chat");
          await writeChat(chat);
          await writeVoids(join(directory, "voids"));
          await createTopic(broker, TOPIC, 2);
          await createTopic(broker, "voids", 1);
          const intoRunning = () => handoverToKafka(join(directory, "voids/log"), broker.dataDirectory, { into: true });
          assert.match((await fails("CONFLICT", intoRunning)).message, /the broker runs/);
          await broker.stop();

          const out = join(directory, "out");
          const { partitions, steps } = await handoverToKafka(chat, out);
          assert.ok(partitions.every(({ segments }) => segments > 3));
          assert.match(steps, /partition\.metadata/);
          copyAsTold(out, broker);
          await intoRunning();

          const before = broker.log().length;
          await broker.start();
          assert.deepEqual([...broker.recoveries(TOPIC, before), ...broker.recoveries("voids", before)], []);
          const records = await readAll(chat);
          assert.equal(records.length, RECORDS);
          const expected = records.map((record) => consoleLine(record));

          // A group reads a part, the broker is started again, the group goes on.
          const group = ["--group", "readers", "--from-beginning"];
          const first = await consumeLines(broker, TOPIC, 1234, group);
          await broker.stop();
          await broker.start();
          const rest = await consumeLines(broker, TOPIC, RECORDS - 1234, group);
          assert.deepEqual(sortLines([...first, ...rest]), expected);

          const time = START + 17_773;
          const sought = [0, 1].map((shard) =>
            records.find((record) => record.shard === shard && record.timestamp >= time)!.offset
          );
          assert.equal(await offsetsAt(broker, time), `${TOPIC}:0:${sought[0]}\n${TOPIC}:1:${sought[1]}`);
          const from = ["--partition", "1", "--offset", String(sought[1])];
          assert.deepEqual(await consumeLines(broker, TOPIC, 1, from), [
            expected[records.findIndex(({ shard, offset }) => shard === 1 && offset === sought[1])],
          ]);
          const voids = await consumeLines(broker, "voids", 4);
          assert.deepEqual(voids.map((line) => /Offset:(\d+)/.exec(line)?.[1]), ["0", "1", "5", "6"]);

          // New records go behind the old ones.
          await broker.tool("org.apache.kafka.tools.ConsoleProducer", ["--topic", "voids"], { input: "new\n" });
          assert.match(
            (await consumeLines(broker, "voids", 1, ["--partition", "0", "--offset", "8"]))[0],
            /Offset:8\t.*\tnew$/,
          );
          await broker.stop();

          await sameIndexes(broker, out);
          const back = join(directory, "back");
          const report = await importFromKafka(broker.dataDirectory, back, { topic: TOPIC });
          assert.equal(report.shards.length, 2);
          assert.deepEqual((await readAll(back)).map(plain), records.map(plain));
        })
      ),
  );
});

/** The indexes that the broker makes for these segments when it has none are the ones it was given, byte for byte. */
async function sameIndexes(broker: Broker, out: string): Promise<void> {
  const names = ["0", "1"].flatMap((partition) => {
    const files = readdirSync(join(out, `${TOPIC}-${partition}`)).filter((name) => /\.(time)?index$/.test(name));
    return files.map((name) => join(`${TOPIC}-${partition}`, name));
  });
  assert.ok(names.length > 12);
  for (const name of names) rmSync(join(broker.dataDirectory, name));
  const before = broker.log().length;
  await broker.start();
  await broker.stop();
  assert.ok(
    broker.recoveries(TOPIC, before).length > 0,
    "a missing index is told: else its absence above proves nothing",
  );
  for (const name of names) {
    assert.deepEqual(readFileSync(join(broker.dataDirectory, name)), readFileSync(join(out, name)), name);
  }
}
