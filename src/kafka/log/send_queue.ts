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
  /** None: who took these numbers has died before there was a batch, and nothing is sent. */
  readonly bytes: Uint8Array;
  readonly count: number;
  /** The number of its first record in this opening. */
  readonly first: number;
  /** Where its producer has numbered it. */
  readonly numbered?: NumberedBatch | undefined;
  /** It lies in a worker's memory: it is not sent from there, and does not count as this thread's. */
  readonly isForeign?: boolean;
  /** Gives that memory back. */
  readonly release?: () => void;
}

/** Who is told what becomes of the batches. */
export interface SendQueueOwner {
  readonly sender: PartitionSender;
  readonly producers: PartitionProducers;
  readonly telemetry: ShardTelemetry;
  /** A batch is written, its first record at `base`; or there was nothing to write. */
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
  /** Of all batches in it that are this thread's. */
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
    if (!batch.isForeign) this.bytes += batch.bytes.length;
    this.#sending ??= this.#send();
  }

  async #send(): Promise<void> {
    const { telemetry } = this.#owner;
    try {
      for (let batch = this.#batches[0]; batch !== undefined; batch = this.#batches[0]) {
        const startedMs = telemetry.nowMs();
        const { bytes, numbered } = batch;
        const answer = await this.#answer(batch);
        if (typeof answer === "number") {
          this.#batches.shift();
          if (!batch.isForeign) this.bytes -= bytes.length;
          if (bytes.length > 0) {
            telemetry.wrote(bytes, 0, bytes.length);
            telemetry.committed(startedMs);
            telemetry.bytesSynced = telemetry.bytesWritten;
          }
          if (numbered !== undefined) this.#owner.producers.acknowledged(numbered, answer);
          this.#owner.delivered(batch, answer);
          batch.release?.();
        } else await this.#drop(numbered!, answer);
        this.#owner.answered();
      }
    } catch (error) {
      for (const { release } of this.#batches.splice(0)) release?.();
      this.#owner.failed(error);
    }
    this.#sending = undefined;
  }

  async #answer({ bytes, count, first, numbered, isForeign }: Sealed): Promise<number | KafkaError> {
    const { sender } = this.#owner;
    if (bytes.length === 0) return first;
    if (numbered !== undefined) return await sender.sendNumbered(bytes, count);
    // Sockets take no shared memory, and the number of its producer is written over.
    return await sender.send(isForeign ? bytes.slice() : bytes, count);
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
