/** The mirror and the broker are killed in mid-run, again and again, while records are appended: each arrives once, in order. */
import assert from "node:assert/strict";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { mirrorToKafka, restoreFromKafka } from "../../kafka.ts";
import { BACKPRESSURE, type Log, openLog } from "../../mod.ts";
import { Program } from "../cli/program.ts";
import { seededRandom } from "../../adapters/memory.ts";
import { reopen, useDirectory } from "../helpers.ts";
import { useBroker, whyNoKafka } from "./broker.ts";
import { createTopic } from "./create_topics.ts";

/** `MIRROR_KILLS=30 MIRROR_BROKER_KILLS=10` for the whole proof. */
const MIRROR_KILLS = Number(process.env.MIRROR_KILLS ?? 5);
const BROKER_KILLS = Number(process.env.MIRROR_BROKER_KILLS ?? 2);
const SHARDS = 2;
const BURST = 300;
const PAUSE_MS = 20;

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Appends numbers, shard by shard, until it is told to stop; what was appended stands in the answer. */
async function appendNumbers(log: Log, isOver: () => boolean): Promise<number[]> {
  const next = log.shards.map(() => 0);
  const padding = "x".repeat(150);
  while (!isOver()) {
    for (const shard of log.shards) {
      for (let i = 0; i < BURST; i++) {
        while (shard.tryAppend({ key: `${shard.id}`, value: `${next[shard.id]} ${padding}` }) === BACKPRESSURE) {
          await shard.writable();
        }
        next[shard.id]++;
      }
    }
    await pause(PAUSE_MS);
  }
  await log.flush();
  return next;
}

const skip = whyNoKafka();

describe("a mirror that is killed", () => {
  it(
    `has sent each record once, after ${MIRROR_KILLS} kills of it and ${BROKER_KILLS} of the broker`,
    { skip },
    async () => {
      const random = seededRandom(Number(process.env.SEED ?? Date.now() % 1e6));
      await useBroker((broker) =>
        useDirectory(async (directory) => {
          const path = join(directory, "log");
          await createTopic(broker, "kills", SHARDS);
          const log = await openLog(path, {
            shards: SHARDS,
            batchBytes: 4096,
            flushIntervalMs: 5,
            segmentBytes: 4_000_000,
          });
          let isOver = false;
          const appending = appendNumbers(log, () => isOver);
          const words = ["mirror", path, "--to", broker.address, "--topic", "kills", "--follow"];
          let wereSending = 0;
          try {
            for (let kill = 0; kill < MIRROR_KILLS + BROKER_KILLS; kill++) {
              const program = new Program(words);
              await pause(400 + random.below(1200));
              // The broker's kills lie among those of the mirror.
              const isBrokers = Math.floor((kill + 1) * BROKER_KILLS / (MIRROR_KILLS + BROKER_KILLS)) >
                Math.floor(kill * BROKER_KILLS / (MIRROR_KILLS + BROKER_KILLS));
              if (isBrokers) {
                await broker.kill();
                // The log takes records all the while.
                const before = log.shard(0).nextOffset;
                await pause(100 + random.below(300));
                assert.ok(log.shard(0).nextOffset > before);
                await broker.start();
                await pause(500 + random.below(1000));
              }
              const { stderr, code, signal } = await program.kill("SIGKILL");
              assert.ok(code !== 1 && code !== 3, `${code} ${signal} ${stderr}`);
              if (/sent [1-9]/.test(stderr) || stderr === "") wereSending++;
            }
          } finally {
            isOver = true;
          }
          const appended = await appending;
          await mirrorToKafka(log, { brokers: broker.address, topic: "kills" });
          await log.close();
          const restored = join(directory, "restored");
          const result = await restoreFromKafka(restored, { brokers: broker.address, topic: "kills" });
          assert.deepEqual(result.shards.map(({ nextOffset }) => nextOffset), appended);
          await reopen(restored, { readOnly: true }, async (log) => {
            for (const { id } of log.shards) {
              let expected = 0;
              for await (const record of log.read({ shard: id })) {
                assert.equal(record.offset, expected);
                assert.equal(record.text()?.split(" ")[0], `${expected++}`);
              }
              assert.equal(expected, appended[id]);
            }
          });
          console.log(`${appended.join(" + ")} records, ${wereSending} kills while it was sending`);
        })
      );
    },
  );
});
