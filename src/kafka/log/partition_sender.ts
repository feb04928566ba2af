/**
 * Sends batches to one partition, each once: one at a time, under its own producer id or with the numbers that they have, again with the
 * same number where the answer got lost.
 *
 * @module
 */
import { crc32c } from "../../batch/crc32c.ts";
import { BASE_SEQUENCE_AT, CRC_AT, CRC_FROM, PRODUCER_EPOCH_AT, PRODUCER_ID_AT } from "../../batch/format.ts";
import { writeI32, writeI64 } from "../../bytes.ts";
import type { KafkaTopic } from "../wire/cluster.ts";
import { KafkaError, PRODUCER_STATE } from "../wire/kafka_error.ts";
import type { Patience } from "../wire/patience.ts";
import { neutralize, produceNumbered } from "./produce_numbered.ts";
import { type ProducerIdentity, requestProduce, requestProducerId } from "../wire/requests.ts";

/** Sequence numbers go from 0 to 2^31 - 1 and begin again. */
const SEQUENCES = 2 ** 31;

/** See above. One call at a time. */
export class PartitionSender {
  readonly #topic: KafkaTopic;
  readonly #partition: number;
  readonly #patience: Patience;
  readonly #timeoutMs: number;
  #producer: ProducerIdentity | undefined = undefined;
  #sequence = 0;

  constructor(topic: KafkaTopic, partition: number, patience: Patience, timeoutMs: number) {
    this.#topic = topic;
    this.#partition = partition;
    this.#patience = patience;
    this.#timeoutMs = timeoutMs;
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
      try {
        const leader = await this.#topic.leader(this.#partition);
        this.#producer ??= await requestProducerId(leader);
        this.#stamp(batch, this.#producer);
        const base = await requestProduce(leader, place, batch, this.#timeoutMs);
        this.#sequence = (this.#sequence + count) % SEQUENCES;
        this.#patience.succeeded();
        return base;
      } catch (error) {
        this.#topic.forget();
        if (!(error instanceof KafkaError)) throw error;
        const isForgotten = PRODUCER_STATE.includes(error.number);
        // The broker drops producers that were idle for a day. Only where nothing can have arrived may another begin.
        if (isForgotten && inDoubt) throw error;
        if (isForgotten) {
          this.#producer = undefined;
          this.#sequence = 0;
        } else inDoubt = true;
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
  async sendNumbered(batch: Uint8Array): Promise<number | KafkaError> {
    const place = { topic: this.#topic.topic, partition: this.#partition };
    neutralize(batch);
    for (;;) {
      try {
        const leader = await this.#topic.leader(this.#partition);
        const answer = await produceNumbered(leader, place, batch, this.#timeoutMs);
        this.#patience.succeeded();
        return answer;
      } catch (error) {
        this.#topic.forget();
        await this.#patience.wait(error);
      }
    }
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
