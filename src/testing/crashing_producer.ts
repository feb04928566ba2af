/**
 * A named producer that ends with its machine.
 *
 * @module
 */
import type { RecordInput } from "../batch/record_input.ts";
import type { IdempotentAppendOptions, IdempotentProducer, SequenceOptions } from "../log/idempotent_types.ts";
import type { BACKPRESSURE } from "../shard/shard_types.ts";
import type { Life } from "./life.ts";

/** Passes everything on to the engine's producer while the machine lives. */
export class CrashingProducer implements IdempotentProducer {
  readonly #producer: IdempotentProducer;
  readonly #life: Life;

  constructor(producer: IdempotentProducer, life: Life) {
    this.#producer = producer;
    this.#life = life;
  }

  get name(): string {
    return this.#producer.name;
  }

  get id(): number {
    return this.#producer.id;
  }

  get shard(): number {
    return this.#producer.shard;
  }

  get nextSequence(): number {
    return this.#producer.nextSequence;
  }

  get lastSequence(): number {
    return this.#producer.lastSequence;
  }

  get lastOffset(): number {
    return this.#producer.lastOffset;
  }

  tryAppend(records: RecordInput | readonly RecordInput[], options?: SequenceOptions): number | typeof BACKPRESSURE {
    this.#life.assertAlive();
    return this.#producer.tryAppend(records, options);
  }

  append(
    records: RecordInput | readonly RecordInput[],
    options?: IdempotentAppendOptions,
  ): Promise<{ readonly shard: number; readonly offset: number }> {
    return this.#life.guard(() => this.#producer.append(records, options));
  }
}
