/**
 * Consumers under the crash simulation: whatever crashes, every record that is in the log at the end was delivered, nothing acknowledged
 * is delivered again after a killed process, and an offset behind the end is clamped and told.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, it } from "node:test";
import { type MemoryVfs, memoryVfs, seededRandom } from "../../adapters/memory.ts";
import { LogError } from "../../src/errors.ts";
import type { EmbeddedLog } from "../../src/log/log.ts";
import type { Consumer } from "../../src/consumers/types.ts";
import type { LogRecord } from "../../src/read/stored_record.ts";
import { openShards } from "./machine.ts";

const SCHEDULES = Number(process.env.CONSUMER_SCHEDULES ?? (process.versions.bun ?? process.versions.deno ? 60 : 250));
const FIRST = Number(process.env.CONSUMER_SEED ?? Math.floor(Math.random() * 1e9));
const TIME_LIMIT_MS = Number(process.env.CONSUMER_TIME_LIMIT_MS ?? 60_000);
const tally = { schedules: 0, crashes: 0, power: 0, clamped: 0, again: 0, delivered: 0 };

/** A schedule: lives of one log, each ended by a crash or a close, with one consumer in it. */
class Schedule {
  readonly #seed: number;
  readonly #random: (below: number) => number;
  readonly #rung: "os" | "disk";
  readonly #shards: number;
  #vfs: MemoryVfs;
  #serial = 0;
  /** Values that were delivered. */
  readonly #delivered = new Set<string>();
  /** Next offsets that were acknowledged, by shard, and are in the log as they were. */
  #acknowledged: number[];

  constructor(seed: number) {
    this.#seed = seed;
    const bytes = new Uint8Array(4);
    const { fill } = seededRandom(seed);
    this.#random = (below) => {
      fill(bytes);
      return new DataView(bytes.buffer).getUint32(0) % below;
    };
    this.#rung = this.#random(3) === 0 ? "disk" : "os";
    this.#shards = 1 + this.#random(3);
    this.#acknowledged = Array.from({ length: this.#shards }, () => 0);
    this.#vfs = memoryVfs({ seed, async: this.#random(2) === 0 });
  }

  async run(): Promise<void> {
    const lives = 2 + this.#random(4);
    let isAfterPower = false;
    for (let life = 0; life < lives; life++) {
      const log = await this.#open();
      const consumer = log.consumer("c", { follow: false });
      await this.#look(log, consumer, isAfterPower);
      await this.#live(log, consumer);
      const ending = this.#random(4);
      if (ending === 0) {
        await consumer.close();
        await log.close();
        isAfterPower = false;
        continue;
      }
      isAfterPower = ending > 1;
      // Something is in flight.
      for (let i = this.#random(3); i > 0; i--) this.#append(log);
      void log.flush(this.#rung).catch(() => {});
      void consumer.commit().catch(() => {});
      for (let i = this.#random(20); i > 0; i--) await Promise.resolve();
      this.#vfs = this.#vfs.crash(isAfterPower ? "power" : "process");
      tally.crashes++;
      if (isAfterPower) tally.power++;
    }
    await this.#finish(isAfterPower);
  }

  #open(): Promise<EmbeddedLog> {
    return openShards(this.#vfs, this.#shards, { durability: this.#rung });
  }

  /** What a life begins with. */
  async #look(log: EmbeddedLog, consumer: Consumer, isAfterPower: boolean): Promise<void> {
    await consumer.lag();
    for (const shard of log.shards) {
      const stored = consumer.committed.get(shard.id)!;
      const end = shard.nextOffset;
      assert.ok(stored <= end, `shard ${shard.id}: ${stored} is stored, the end is ${end}`);
      if (!isAfterPower || this.#rung === "disk") {
        const wanted = Math.min(this.#acknowledged[shard.id], end);
        assert.ok(
          stored >= wanted,
          `shard ${shard.id}: ${this.#acknowledged[shard.id]} was acknowledged, stored is ${stored}`,
        );
      }
      this.#acknowledged[shard.id] = stored;
    }
    for (const { shard, from, to } of consumer.report) {
      assert.ok(isAfterPower, "clamped without a power loss");
      assert.ok(to === log.shard(shard).nextOffset && from > to);
      tally.clamped++;
    }
  }

  #append(log: EmbeddedLog): void {
    log.shards[this.#random(log.shards.length)].tryAppend({ value: `${this.#seed}:${this.#serial++}` });
  }

  async #live(log: EmbeddedLog, consumer: Consumer): Promise<void> {
    for (let step = this.#random(12); step >= 0; step--) {
      const what = this.#random(6);
      if (what < 2) { for (let i = this.#random(8); i >= 0; i--) this.#append(log); }
      else if (what === 2) await log.flush(this.#random(4) === 0 ? "disk" : "os");
      else if (what === 3) await this.#commit(consumer);
      else await this.#consume(consumer, this.#random(10));
    }
  }

  async #consume(consumer: Consumer, count: number): Promise<void> {
    for await (const record of consumer) {
      this.#deliver(record);
      if (this.#random(8) === 0) await this.#commit(consumer, record);
      if (count-- === 0) break;
    }
  }

  #deliver(record: LogRecord): void {
    tally.delivered++;
    if (record.offset < this.#acknowledged[record.shard]) {
      assert.fail(
        `${record.shard}/${record.offset} is delivered although ${this.#acknowledged[record.shard]} is committed`,
      );
    }
    if (this.#delivered.has(record.text()!)) tally.again++;
    this.#delivered.add(record.text()!);
  }

  async #commit(consumer: Consumer, record?: LogRecord): Promise<void> {
    await consumer.commit(record);
    for (const [shard, next] of consumer.committed) this.#acknowledged[shard] = next;
  }

  /** Everything that is in the log at last was delivered, or is now. */
  async #finish(isAfterPower: boolean): Promise<void> {
    const log = await this.#open();
    const consumer = log.consumer("c", { follow: false });
    await this.#look(log, consumer, isAfterPower);
    for await (const record of consumer) this.#deliver(record);
    await consumer.commit();
    assert.equal((await consumer.lag()).total, 0);
    for await (const record of log.read()) {
      if (!this.#delivered.has(record.text()!)) {
        assert.fail(`${record.shard}/${record.offset} (${record.text()}) was never delivered`);
      }
    }
    await consumer.close();
    await log.close();
  }
}

describe("a consumer under the crash simulation", () => {
  it("never skips a record, and says so where a power loss took what it had consumed", async () => {
    // On a busy machine fewer: the numbers below say how many.
    const limit = Date.now() + TIME_LIMIT_MS;
    for (let seed = FIRST; seed < FIRST + SCHEDULES && Date.now() < limit; seed++) {
      tally.schedules++;
      try {
        await new Schedule(seed).run();
      } catch (error) {
        const what = error instanceof LogError ? `${error.code} ` : "";
        throw new Error(`CONSUMER_SEED=${seed}: ${what}${(error as Error).message}`, { cause: error });
      }
    }
    console.log(JSON.stringify(tally));
    // A power loss behind what was committed is rare: so many schedules have had it every time.
    if (tally.schedules >= 250) {
      for (const [what, count] of Object.entries(tally)) assert.ok(count > 0, `nothing was ${what}`);
    }
  });
});
