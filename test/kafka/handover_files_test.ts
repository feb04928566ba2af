/** What a handover writes, and what it refuses, without a broker; and both commands as an operator runs them. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { handoverToKafka, importFromKafka } from "../../kafka.ts";
import { openLog } from "../../mod.ts";
import { readHeader } from "../../src/batch/format.ts";
import { readSnapshot } from "../../src/idempotence/snapshot.ts";
import { run } from "../cli/program.ts";
import { concat, simpleBatch } from "../fixtures/reference_batch.ts";
import { collect, fails, listing, plain, take, useDirectory } from "../helpers.ts";
import { produced, send } from "../idempotence/batches.ts";

const FIRST = "00000000000000000000.log";

/** A partition of a broker whose first records were deleted, as far as a checkpoint says. */
async function trimmedLog(directory: string): Promise<string> {
  const source = join(directory, "chat-0");
  mkdirSync(source);
  writeFileSync(join(source, FIRST), concat(simpleBatch(0, 2), simpleBatch(2, 3, "b", { epoch: 7 })));
  writeFileSync(join(source, "00000000000000000005.log"), simpleBatch(5, 2, "c", { epoch: 8 }));
  writeFileSync(join(directory, "log-start-offset-checkpoint"), "0\n1\nchat 0 3\n");
  await importFromKafka(source, join(directory, "log"));
  return join(directory, "log");
}

/** A stopped broker's directory with an empty topic. */
function brokerDirectory(directory: string, partitions = 1): string {
  const data = join(directory, "data");
  for (let partition = 0; partition < partitions; partition++) {
    const target = join(data, `chat-${partition}`);
    mkdirSync(target, { recursive: true });
    writeFileSync(join(target, "partition.metadata"), "version: 0\ntopic_id: abcdefghijklmnopqrstuv\n");
    writeFileSync(join(target, FIRST), "");
    writeFileSync(join(target, "leader-epoch-checkpoint"), "0\n1\n3 0\n");
  }
  writeFileSync(join(data, "meta.properties"), "version=1\n");
  writeFileSync(join(data, ".kafka_cleanshutdown"), '{"version":0,"brokerEpoch":5}');
  writeFileSync(join(data, "recovery-point-offset-checkpoint"), "0\n2\nother 0 12\nchat 0 0\n");
  return data;
}

const text = (...path: string[]) => readFileSync(join(...path), "utf8");

describe("handover", () => {
  it("writes segments of epoch 0, and where reading begins", () =>
    useDirectory(async (directory) => {
      const log = await trimmedLog(directory);
      const before = listing(log);
      const out = join(directory, "out");
      const { partitions: [partition], steps } = await handoverToKafka(log, out);
      assert.deepEqual(listing(log), before);
      assert.deepEqual([partition.earliest, partition.nextOffset, partition.segments], [3, 7, 2]);
      assert.match(steps, /log-start-offset-checkpoint[\s\S]*chat 0 3/);
      assert.equal(text(out, "log-start-offset-checkpoint"), "0\n1\nchat 0 3\n");
      assert.equal(text(out, "recovery-point-offset-checkpoint"), "0\n1\nchat 0 7\n");
      assert.equal(text(out, "chat-0", "leader-epoch-checkpoint"), "0\n1\n0 0\n");
      assert.equal(text(out, "steps.txt"), steps);
      assert.deepEqual(readdirSync(join(out, "chat-0")).sort(), [
        ...["00000000000000000000.index", FIRST, "00000000000000000000.timeindex", "00000000000000000005.index"],
        ...["00000000000000000005.log", "00000000000000000005.timeindex", "leader-epoch-checkpoint"],
      ]);
      assert.equal(readHeader(readFileSync(join(out, "chat-0", "00000000000000000005.log")), 0).epoch, 0);
      // And back again: the same records.
      await importFromKafka(out, join(directory, "back"));
      const [one, two] = [await openLog(log, { readOnly: true }), await openLog(join(directory, "back"))];
      assert.deepEqual((await collect(two.read())).map(plain), (await collect(one.read())).map(plain));
      await Promise.all([one.close(), two.close()]);
    }));

  it("says what producers have written, also in segments that are gone, and none that have not", () =>
    useDirectory(async (directory) => {
      const log = await openLog(join(directory, "log"), { topic: "chat", segmentBytes: 1024 });
      const [shard] = log.shards;
      await send(shard, produced(5, 2, 7, 3));
      const producer = await log.idempotentProducer("lines");
      for (let n = 0; n < 20; n++) await producer.append([{ value: "x".repeat(200) }, { value: `${n}` }]);
      await shard.trimBefore(30);
      await send(shard, produced(6, 0, 2 ** 31 - 1, 2));
      await log.flush();
      const out = join(directory, "out");
      const { partitions: [{ earliest, segments }] } = await handoverToKafka(log.directory, out);
      assert.ok(earliest === 30 && segments < 8, `${segments} segments`);
      const snapshot = readSnapshot(readFileSync(join(out, "chat-0", "00000000000000000045.snapshot")))!;
      const lastOf = new Map(snapshot.entries.map((entry) => [entry.id, entry]));
      assert.deepEqual(
        [...lastOf].map(([id, { epoch, lastSequence, lastOffset }]) => [id, epoch, lastSequence, lastOffset]),
        [[5, 2, 9, 2], [producer.id, 0, 39, 42], [6, 0, 0, 44]],
      );
      await log.close();
    }));

  it("takes an open log as far as it is, under another name", () =>
    useDirectory(async (directory) => {
      const log = await openLog(join(directory, "log"), { shards: 2, topic: "chat" });
      for (let i = 0; i < 10; i++) take(log.shard(1), { value: `v${i}` });
      const out = join(directory, "out");
      const { partitions } = await handoverToKafka(log, out, { topic: "talk" });
      assert.deepEqual(partitions.map(({ nextOffset }) => nextOffset), [0, 10]);
      assert.deepEqual(readdirSync(join(out, "talk-0")), ["leader-epoch-checkpoint"]);
      await log.close();
    }));

  it("puts files into a broker's directory, and leaves everything else of it", () =>
    useDirectory(async (directory) => {
      const data = brokerDirectory(directory);
      const { steps } = await handoverToKafka(await trimmedLog(directory), data, { into: true });
      assert.match(steps, /Start the broker/);
      assert.equal(text(data, "recovery-point-offset-checkpoint"), "0\n2\nother 0 12\nchat 0 7\n");
      assert.match(text(data, "chat-0", "partition.metadata"), /abcdefghijklmnopqrstuv/);
      assert.equal(text(data, "chat-0", "leader-epoch-checkpoint"), "0\n1\n0 0\n");
      assert.equal(text(data, ".kafka_cleanshutdown"), '{"version":0,"brokerEpoch":5}');
    }));

  for (
    const [what, spoil, message] of [
      ["runs", (data: string) => writeFileSync(join(data, ".kafka_cleanshutdown.gone"), ""), /the broker runs/],
      ["has no such topic", () => {}, /the topic talk is not there/],
      ["has records in the topic", (data: string) => writeFileSync(join(data, "chat-0", FIRST), "x"), /holds records/],
      ["has other partitions", (data: string) => mkdirSync(join(data, "chat-1")), /has 2 partitions, the log 1 shards/],
      [
        "has no topic id",
        (data: string) => writeFileSync(join(data, "chat-0", "partition.metadata"), "version: 0\n"),
        /partition\.metadata/,
      ],
    ] as const
  ) {
    it(`refuses a broker that ${what}, and changes nothing`, () =>
      useDirectory(async (directory) => {
        const log = await trimmedLog(directory);
        const data = brokerDirectory(directory);
        spoil(data);
        if (what === "runs") (await import("node:fs")).rmSync(join(data, ".kafka_cleanshutdown"));
        const before = listing(data);
        const options = { into: true, ...(what === "has no such topic" ? { topic: "talk" } : {}) };
        assert.match((await fails("CONFLICT", () => handoverToKafka(log, data, options))).message, message);
        assert.deepEqual(listing(data), before);
      }));
  }

  it("refuses a damaged log, a directory that is not empty, and no log", () =>
    useDirectory(async (directory) => {
      const log = await trimmedLog(directory);
      await fails("CONFLICT", () => handoverToKafka(log, directory));
      await fails("NOT_A_LOG", () => handoverToKafka(join(directory, "nowhere"), join(directory, "out")));
      await assert.rejects(handoverToKafka(log, join(directory, "out"), { topic: "a/b" }), RangeError);
      const file = join(log, "chat-0", FIRST);
      writeFileSync(file, readFileSync(file).map((byte, i) => i === 65 ? byte ^ 1 : byte));
      const { message } = await fails("CORRUPT_BATCH", () => handoverToKafka(log, join(directory, "out")));
      assert.match(message, /shard 0: the batch at offset 0 .*checksum.*repair/);
    }));

  it("is a command, and so is import", () =>
    useDirectory(async (directory) => {
      const log = await trimmedLog(directory);
      const out = join(directory, "out");
      const handed = await run(["handover", log, out]);
      assert.equal(handed.code, 0, handed.stderr);
      assert.match(handed.stdout, /^partition 0: offsets 3 to 6, 2 segments, \d+ bytes in [\s\S]*kafka-topics\.sh/);
      const back = await run(["import", out, join(directory, "back"), "--link", "--json"]);
      assert.equal(back.code, 0, back.stderr);
      const { topic, records, damages, shards: [shard] } = JSON.parse(back.stdout);
      assert.deepEqual([topic, records, damages, shard.nextOffset], ["chat", 7, 0, 7]);
      const text = await run(["import", join(out, "chat-0"), join(directory, "one")]);
      assert.match(text.stdout, /is the log chat with 1 shards: 7 records, verified\n$/);
      const again = await run(["handover", log, out]);
      assert.deepEqual([again.code, again.stdout], [1, ""]);
      assert.match(again.stderr, /not empty/);
      assert.equal((await run(["handover", log])).code, 2);
      assert.equal((await run(["import", log, out, "x"])).code, 2);
      assert.ok(existsSync(join(directory, "back", "chat-0", FIRST)));
    }));
});
