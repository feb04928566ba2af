/**
 * A consumer that ends with its machine.
 *
 * @module
 */
import type { ClampEvent, Consumer, ConsumerLag } from "../consumers/types.ts";
import type { LogRecord } from "../read/stored_record.ts";
import { CrashingReader } from "./crashing_reader.ts";
import type { Life } from "./life.ts";

/** Passes everything on while the machine lives. */
export class CrashingConsumer implements Consumer {
  readonly name: string;
  readonly #consumer: Consumer;
  readonly #life: Life;

  constructor(consumer: Consumer, life: Life) {
    this.#consumer = consumer;
    this.#life = life;
    this.name = consumer.name;
  }

  get position(): ReadonlyMap<number, number> {
    return this.#consumer.position;
  }

  get committed(): ReadonlyMap<number, number> {
    return this.#consumer.committed;
  }

  get report(): readonly ClampEvent[] {
    return this.#consumer.report;
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<LogRecord> {
    this.#life.assertAlive();
    return new CrashingReader(this.#consumer[Symbol.asyncIterator](), this.#life);
  }

  commit(place?: { readonly shard: number; readonly offset: number }): Promise<void> {
    return this.#life.guard(() => this.#consumer.commit(place));
  }

  lag(): Promise<ConsumerLag> {
    return this.#life.guard(() => this.#consumer.lag());
  }

  close(): Promise<void> {
    return this.#life.guard(() => this.#consumer.close());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#life.error === undefined) await this.close();
  }
}
