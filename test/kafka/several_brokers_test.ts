/** A cluster of three brokers, one of which goes, hangs or comes back: appends, readers, consumers, mirror and restore go on. */
import assert from "node:assert/strict";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { after, before, describe, it } from "node:test";
import { type KafkaError, type KafkaLogOptions, mirrorToKafka, openKafkaLog, restoreFromKafka } from "../../kafka.ts";
import { type Log, type LogRecord, openLog } from "../../mod.ts";
import { collect, reopen, texts, until, useDirectory } from "../helpers.ts";
import { type Broker, whyNoKafka } from "./broker.ts";
import { Brokers } from "./brokers.ts";
import { logLines, writeRecords } from "./written_log.ts";

const skip = whyNoKafka();
const WRITERS = [0, 1, 2, 3];
const PARTITIONS = 3;
/** How many brokers go, one after the other; `CLUSTER_KILLS=20` for the whole proof. */
const KILLS = Number(process.env.CLUSTER_KILLS ?? 2);
let brokers: Brokers;
let topics = 0;

async function newTopic(
  partitions: number,
  settings: Record<string, string> = {},
): Promise<Pick<KafkaLogOptions, "brokers" | "topic">> {
  const topic = `several-${topics++}`;
  await brokers.createTopic(topic, partitions, settings);
  return { brokers: brokers.addresses, topic };
}

/** Appends numbers, one writer a key, each waiting for its acknowledgement, until it is told to stop. */
class Writers {
  readonly appended: number[] = WRITERS.map(() => 0);
  #isOver = false;
  readonly #running: Promise<void[]>;

  constructor(log: Log) {
    this.#running = Promise.all(WRITERS.map(async (writer) => {
      for (; !this.#isOver; this.appended[writer]++) {
        await log.append({ key: `writer-${writer}`, value: `${this.appended[writer]}` });
      }
    }));
    this.#running.catch(() => {});
  }

  get count(): number {
    return this.appended.reduce((sum, count) => sum + count, 0);
  }

  /** Until so many more records are acknowledged. */
  async more(count: number): Promise<void> {
    const wanted = this.count + count;
    await Promise.race([until(() => this.count >= wanted, `${count} more records`, 60_000), this.#running]);
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#running;
  }

  /** Fails unless each record is there once, and those of a writer are in order. */
  check(records: readonly LogRecord[], who: string): void {
    for (const writer of WRITERS) {
      const own = records.filter((record) => record.keyText() === `writer-${writer}`);
      assert.deepEqual(
        own.map((record) => Number(record.text())),
        Array.from({ length: this.appended[writer] }, (_, i) => i),
        `${who}: writer ${writer}`,
      );
    }
  }
}

describe("a cluster of three brokers", () => {
  before(async () => {
    if (skip === false) brokers = await Brokers.start();
  });
  after(() => brokers?.remove());

  it(
    "each record once and in order while leaders are killed, come back and lead again",
    { skip },
    () =>
      useDirectory(async (directory) => {
        const to = await newTopic(PARTITIONS);
        const target = await newTopic(PARTITIONS);
        const log = await openKafkaLog({ ...to, requestTimeoutMs: 5000 });
        const own = await openLog(join(directory, "own"), { shards: PARTITIONS, flushIntervalMs: 5 });
        const [followed, consumed]: LogRecord[][] = [[], []];
        const following = (async () => {
          for await (const record of log.read({ follow: true })) followed.push(record);
        })();
        // A session that outlives the move of the coordinator: nothing is delivered again.
        const consumer = log.consumer("several", { leaseMs: 30_000 });
        const consuming = (async () => {
          for await (const record of consumer) {
            consumed.push(record);
            if (consumed.length % 20 === 0) await consumer.commit(record);
          }
        })();
        const stop = new AbortController();
        const mirroring = mirrorToKafka(own, { ...target, follow: true, signal: stop.signal, requestTimeoutMs: 5000 })
          .catch((error) => {
            if (!stop.signal.aborted) throw error;
          });
        mirroring.catch(() => {});
        const [writers, ownWriters] = [new Writers(log), new Writers(own)];
        await writers.more(50);
        await until(() => consumed.length > 0, "a record for the consumer");
        const killed = new Set<Broker>();
        for (let kill = 0; kill < KILLS; kill++) {
          const node =
            await (kill % 2 === 0 ? brokers.leader(to.topic, kill % PARTITIONS) : brokers.coordinator("several"));
          killed.add(node);
          // Every third one hangs for a while instead.
          const back = kill % 3 === 2 ? await brokers.freeze(node) : () => brokers.restart(node);
          if (kill % 3 !== 2) await brokers.kill(node);
          await Promise.all([writers.more(100), ownWriters.more(100)]);
          await back();
          for (const { topic } of [to, target]) await brokers.electPreferred(topic, PARTITIONS);
          await writers.more(100);
        }
        await Promise.all([writers.stop(), ownWriters.stop()]);
        const stored = await collect(log.read());
        assert.equal(stored.length, writers.count);
        await until(
          () => followed.length >= stored.length && consumed.length >= stored.length,
          "everybody is at the end",
        );
        await consumer.commit();
        assert.equal((await consumer.lag()).total, 0);
        await consumer.close();
        await log.close();
        await Promise.all([following, consuming]);
        const byOffset = (records: LogRecord[]) => records.toSorted((a, b) => a.shard - b.shard || a.offset - b.offset);
        writers.check(byOffset(stored), "stored");
        writers.check(followed, "followed");
        writers.check(consumed, "consumed");

        stop.abort();
        await mirroring;
        await mirrorToKafka(own, target);
        const restored = join(directory, "restored");
        await restoreFromKafka(restored, target);
        const lines = await logLines(own);
        assert.equal(lines.flat().length, ownWriters.count);
        assert.deepEqual(await reopen(restored, { readOnly: true }, logLines), lines);
        await own.close();
        console.log(
          `${writers.count} + ${ownWriters.count} records, ${KILLS} times a broker was away, ${killed.size} of them`,
        );
      }),
  );

  it("a leader that hangs is left, and what it takes late counts for nothing", { skip }, async () => {
    const to = await newTopic(1);
    const waits: string[] = [];
    const onWait = (error: Error): void => void waits.push(error.message);
    const log = await openKafkaLog({ ...to, requestTimeoutMs: 2000, onWait });
    const writers = new Writers(log);
    await writers.more(20);
    const thaw = await brokers.freeze(await brokers.leader(to.topic, 0));
    try {
      await writers.more(20);
    } finally {
      thaw();
    }
    await writers.more(20);
    await writers.stop();
    writers.check(await collect(log.read()), "stored");
    await log.close();
    assert.match(waits.join("\n"), /no answer in 2000 ms/);
  });

  it("a coordinator that hangs is left by its consumers before their session is over", { skip }, async () => {
    const to = await newTopic(1);
    const leader = await brokers.leader(to.topic, 0);
    let [name, coordinator] = ["", leader];
    for (let i = 0; coordinator === leader; i++) coordinator = await brokers.coordinator(name = `patient-${i}`);
    await using log = await openKafkaLog(to);
    const seen: string[] = [];
    const consumer = log.consumer(name, { leaseMs: 6000 });
    const consuming = (async () => {
      for await (const record of consumer) {
        seen.push(record.text()!);
        await consumer.commit(record);
      }
    })();
    const appendTo = async (end: number): Promise<void> => {
      for (let i = seen.length; i < end; i++) await log.append({ value: `${i}` });
      await until(() => consumer.committed.get(0) === end, `${end} records are committed`);
    };
    await appendTo(5);
    const thaw = await brokers.freeze(coordinator);
    try {
      await appendTo(10);
    } finally {
      thaw();
    }
    await appendTo(15);
    await consumer.close();
    await consuming;
    assert.deepEqual(seen, Array.from({ length: 15 }, (_, i) => `${i}`));
  });

  it("one address of the list is enough, also where the others are dead or hang", { skip }, async () => {
    const { topic } = await newTopic(2);
    // Takes connections and says nothing.
    const mute = createServer();
    await new Promise<void>((resolve) => mute.listen(0, "127.0.0.1", resolve));
    const silent = `127.0.0.1:${(mute.address() as AddressInfo).port}`;
    try {
      for (const first of ["127.0.0.1:9", silent, "no-such-host.invalid:9092"]) {
        const startedMs = performance.now();
        const log = await openKafkaLog({ brokers: [first, brokers.nodes[1].address], topic });
        await log.append({ key: "k", value: first });
        await log.close();
        assert.ok(performance.now() - startedMs < 10_000, `${first} is waited for`);
      }
    } finally {
      mute.close();
    }
  });

  it(
    "a broker that was the only one named goes: the log and a restore go on, and what needs it waits",
    { skip },
    () =>
      useDirectory(async (directory) => {
        const [node] = brokers.nodes;
        const [logs, stored, all] = [
          await newTopic(3),
          await newTopic(2),
          await newTopic(1, { "min.insync.replicas": "3" }),
        ];
        const path = join(directory, "log");
        await writeRecords(path, 2, 0, 3000);
        await reopen(path, { readOnly: true }, (log) => mirrorToKafka(log, stored));
        const expected = await reopen(path, { readOnly: true }, logLines);
        const log = await openKafkaLog({ ...logs, brokers: node.address });
        await log.append({ value: "before" });
        const waits = new Set<string>();
        const onWait = (error: Error): void => void waits.add((error as KafkaError).kafka);
        const strict = await openKafkaLog({ ...all, onWait, requestTimeoutMs: 5000 });
        await strict.append({ value: "0" });
        const restored = join(directory, "restored");
        let restoring: Promise<unknown> = Promise.resolve();
        let appending: Promise<unknown> = restoring;
        try {
          restoring = restoreFromKafka(restored, { ...stored, requestTimeoutMs: 5000 });
          restoring.catch(() => {});
          await brokers.kill(node);
          appending = Promise.all([1, 2, 3].map((n) => strict.append({ value: `${n}` })));
          appending.catch(() => {});
          for (const { id } of log.shards) {
            log.shard(id).tryAppend({ value: "after" });
            await log.shard(id).flush();
          }
          assert.equal((await collect(log.read())).length, 4);
          await restoring;
          assert.deepEqual(await reopen(restored, { readOnly: true }, logLines), expected);
          // Where the broker was the leader, its answer got lost; the new one does not say where the partition ends before it has enough replicas.
          const isTold = (): boolean => ["NOT_ENOUGH_REPLICAS", "LEADER_NOT_AVAILABLE"].some((one) => waits.has(one));
          await until(isTold, "the refusal");
        } finally {
          await brokers.restart(node);
          await Promise.allSettled([restoring, appending]);
        }
        await appending;
        assert.deepEqual(await texts(strict.read()), ["0", "1", "2", "3"]);
        await Promise.all([log.close(), strict.close()]);
      }),
  );
});
