/**
 * Batches of a partition on their way to the broker, one at a time, in their order.
 *
 * @module
 */
import type { LogError } from "../../errors.ts";
import type { ShardTelemetry } from "../../telemetry/shard_telemetry.ts";
import type { KafkaError } from "../wire/kafka_error.ts";
import type { NumberedBatch, PartitionProducers } from "./partition_producers.ts";
import type { PartitionSender } from "./partition_sender.ts";

/** A finished batch. */
export interface Sealed {
  readonly bytes: Uint8Array;
  readonly count: number;
  /** The number of its first record in this opening. */
  readonly first: number;
  /** Where its producer has numbered it. */
  readonly numbered?: NumberedBatch | undefined;
}

/** Who is told what becomes of the batches. */
export interface SendQueueOwner {
  readonly sender: PartitionSender;
  readonly producers: PartitionProducers;
  readonly telemetry: ShardTelemetry;
  /** A batch is written, its first record at `base`. */
  delivered(batch: Sealed, base: number): void;
  /** The broker refuses a batch; the others are not concerned. */
  refused(batch: Sealed, error: LogError): void;
  /** An answer was dealt with. */
  answered(): void;
  /** Nothing more can be sent. */
  failed(error: unknown): void;
}

/** See above. */
export class SendQueue {
  /** Of all batches in it. */
  bytes = 0;
  readonly #owner: SendQueueOwner;
  #batches: Sealed[] = [];
  #sending: Promise<void> | undefined = undefined;

  constructor(owner: SendQueueOwner) {
    this.#owner = owner;
  }

  /** The first number that is not answered; `undefined` where all are. */
  get first(): number | undefined {
    return this.#batches[0]?.first;
  }

  push(batch: Sealed): void {
    this.#batches.push(batch);
    this.bytes += batch.bytes.length;
    this.#sending ??= this.#send();
  }

  async #send(): Promise<void> {
    const { telemetry } = this.#owner;
    try {
      for (let batch = this.#batches[0]; batch !== undefined; batch = this.#batches[0]) {
        const startedMs = telemetry.nowMs();
        const { bytes, count, numbered } = batch;
        const answer = numbered === undefined
          ? await this.#owner.sender.send(bytes, count)
          : await this.#owner.sender.sendNumbered(bytes, count);
        if (typeof answer === "number") {
          this.#batches.shift();
          this.bytes -= bytes.length;
          telemetry.wrote(bytes, 0, bytes.length);
          telemetry.committed(startedMs);
          telemetry.bytesSynced = telemetry.bytesWritten;
          if (numbered !== undefined) this.#owner.producers.acknowledged(numbered, answer);
          this.#owner.delivered(batch, answer);
        } else await this.#drop(numbered!, answer);
        this.#owner.answered();
      }
    } catch (error) {
      this.#batches = [];
      this.#owner.failed(error);
    }
    this.#sending = undefined;
  }

  /** A batch was refused. Those of its producer behind it would be, too: they are not sent any more. */
  async #drop({ id }: NumberedBatch, refusal: KafkaError): Promise<void> {
    const dropped = this.#batches.filter(({ numbered }) => numbered?.id === id);
    this.#batches = this.#batches.filter(({ numbered }) => numbered?.id !== id);
    const errors = await this.#owner.producers.refused(id, dropped.map(({ bytes }) => bytes), refusal);
    for (const [i, batch] of dropped.entries()) {
      this.bytes -= batch.bytes.length;
      this.#owner.refused(batch, errors[i]);
    }
  }
}
