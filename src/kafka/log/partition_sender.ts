/**
 * Sends batches to one partition, each once: one at a time, under its own producer id or with the numbers that they have, again with the
 * same number where the answer got lost.
 *
 * @module
 */
import { crc32c } from "../../batch/crc32c.ts";
import { BASE_SEQUENCE_AT, CRC_AT, CRC_FROM, PRODUCER_EPOCH_AT, PRODUCER_ID_AT } from "../../batch/format.ts";
import { nextSequence } from "../../batch/producer_fields.ts";
import { writeI32, writeI64 } from "../../bytes.ts";
import type { KafkaTopic } from "../wire/cluster.ts";
import { KafkaError, PRODUCER_STATE } from "../wire/kafka_error.ts";
import type { Patience } from "../wire/patience.ts";
import { neutralize, produceNumbered } from "./produce_numbered.ts";
import { type ProducerIdentity, requestProduce, requestProducerId } from "../wire/requests.ts";

/**
 * Where a batch is whose answer got lost, looked for from an offset on; `undefined` where it is not there. A broker that has started anew
 * forgets producers whose last record has an old timestamp, and would write the batch again.
 */
export type Locate = (batch: Uint8Array, from: number) => Promise<number | undefined>;

/** See above. One call at a time. */
export class PartitionSender {
  readonly #topic: KafkaTopic;
  readonly #partition: number;
  readonly #patience: Patience;
  readonly #locate: Locate;
  /** Behind the last record that is known to be in the partition. */
  #end: number;
  #producer: ProducerIdentity | undefined = undefined;
  #sequence = 0;

  constructor(
    topic: KafkaTopic,
    partition: number,
    patience: Patience,
    end: number,
    locate: Locate,
  ) {
    this.#topic = topic;
    this.#partition = partition;
    this.#patience = patience;
    this.#end = end;
    this.#locate = locate;
  }

  /**
   * Sends a finished batch of `count` records; its producer fields are written over.
   *
   * @returns The offset of its first record.
   * @throws {LogError} where it was refused, or no broker took it in time. Whether it is in the partition is then not known.
   */
  async send(batch: Uint8Array, count: number): Promise<number> {
    const place = { topic: this.#topic.topic, partition: this.#partition };
    let inDoubt = false;
    for (;;) {
      // Before it is stamped it looks like any batch without numbers: others' must not be taken for it.
      let isSent = false;
      try {
        const placed = inDoubt ? await this.#locate(batch, this.#end) : undefined;
        if (placed !== undefined) return this.#sent(placed, count);
        const leader = await this.#topic.leader(this.#partition);
        this.#producer ??= await requestProducerId(leader);
        this.#stamp(batch, this.#producer);
        isSent = true;
        return this.#sent(await requestProduce(leader, place, batch), count);
      } catch (error) {
        this.#topic.forget();
        if (!(error instanceof KafkaError)) throw error;
        const isForgotten = PRODUCER_STATE.includes(error.number);
        // The broker drops producers that were idle for a day. Only where nothing can have arrived may another begin.
        if (isForgotten && inDoubt) throw error;
        if (isForgotten) {
          this.#producer = undefined;
          this.#sequence = 0;
        } else if (isSent) inDoubt = true;
        await this.#patience.wait(error);
      }
    }
  }

  /**
   * Sends a finished batch with the numbers that its producer gave it.
   *
   * @returns The offset of its first record, also where it was there already; or why the broker refuses this batch, and only this one.
   * @throws {LogError} as {@linkcode PartitionSender.send}.
   */
  async sendNumbered(batch: Uint8Array, count: number): Promise<number | KafkaError> {
    const place = { topic: this.#topic.topic, partition: this.#partition };
    neutralize(batch);
    for (let inDoubt = false;;) {
      try {
        const placed = inDoubt ? await this.#locate(batch, this.#end) : undefined;
        if (placed !== undefined) return this.#took(placed, count);
        const leader = await this.#topic.leader(this.#partition);
        const answer = await produceNumbered(leader, place, batch);
        if (typeof answer === "number") return this.#took(answer, count);
        this.#patience.succeeded();
        return answer;
      } catch (error) {
        inDoubt = true;
        this.#topic.forget();
        await this.#patience.wait(error);
      }
    }
  }

  /** One of its own batches is written. */
  #sent(base: number, count: number): number {
    this.#sequence = nextSequence(this.#sequence, count);
    return this.#took(base, count);
  }

  #took(base: number, count: number): number {
    this.#end = Math.max(this.#end, base + count);
    this.#patience.succeeded();
    return base;
  }

  #stamp(batch: Uint8Array, { id, epoch }: ProducerIdentity): void {
    neutralize(batch);
    writeI64(batch, PRODUCER_ID_AT, id);
    batch[PRODUCER_EPOCH_AT] = epoch >>> 8;
    batch[PRODUCER_EPOCH_AT + 1] = epoch;
    writeI32(batch, BASE_SEQUENCE_AT, this.#sequence);
    writeI32(batch, CRC_AT, crc32c(batch, CRC_FROM, batch.length));
  }
}
