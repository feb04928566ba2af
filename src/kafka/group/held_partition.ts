/**
 * A partition that a consumer has, and how far it has come in it.
 *
 * @module
 */
import { LogError } from "../../errors.ts";
import type { GapEvent } from "../../read/shard_batches.ts";
import type { LogRecord } from "../../read/stored_record.ts";
import { ask, patienceFor } from "../log/cluster.ts";
import type { Cluster } from "../log/cluster.ts";
import { PartitionCursor } from "../log/partition_cursor.ts";
import type { KafkaTopic } from "../wire/cluster.ts";
import { requestOffsets } from "../wire/requests.ts";
import type { HeldGrant } from "./group_member.ts";

/** How it is read. */
export interface HeldPartitionOptions {
  readonly cluster: Cluster;
  readonly topic: KafkaTopic;
  readonly signal: AbortSignal;
  /** Where to go on where records were dropped. */
  readonly from: "earliest" | "latest";
  readonly onCorrupt: "stop" | "skip" | undefined;
  readonly onGap: ((gap: GapEvent) => void) | undefined;
}

/** See above. */
export class HeldPartition {
  readonly grant: HeldGrant;
  /** Offset of the next record to deliver. */
  position: number;
  /** In front of it nothing is delivered and not committed. */
  settled: number;
  /** Nothing more is there in front of this, when it was asked last. */
  #end = 0;
  readonly #options: HeldPartitionOptions;
  #cursor: PartitionCursor | undefined = undefined;
  #fetching: Promise<void> | undefined = undefined;
  /** Came in and is not delivered. */
  #ready: LogRecord | undefined = undefined;
  #failure: { readonly error: unknown } | undefined = undefined;

  constructor(grant: HeldGrant, options: HeldPartitionOptions) {
    this.grant = grant;
    this.position = this.settled = grant.from;
    this.#options = options;
  }

  /** Records were delivered that are not committed. */
  get isOutstanding(): boolean {
    return this.position > this.settled;
  }

  /** Begins again behind what is committed. */
  rewind(committed: number): void {
    this.position = this.settled = committed;
    this.#cursor =
      this.#ready =
      this.#failure =
      this.#fetching =
        undefined;
  }

  /** The next record, where it is here already. */
  take(): LogRecord | undefined {
    if (this.#failure !== undefined) {
      const { error } = this.#failure;
      this.#failure = this.#cursor = undefined;
      throw error;
    }
    if (this.#fetching !== undefined) return undefined;
    const record = this.#ready ?? this.#cursor?.nextInMemory(Infinity);
    this.#ready = undefined;
    if (record !== undefined) this.position = record.offset + 1;
    return record;
  }

  /** Resolves when there may be something to take, or nothing came within half a second. Never rejects: `take` does. */
  fetch(): Promise<void> {
    // What came in while nobody looked would be overwritten by what is behind it.
    if (this.#ready !== undefined || this.#failure !== undefined) return Promise.resolve();
    this.#fetching ??= this.#begin();
    return this.#fetching;
  }

  /** Whether something is there that was not delivered; asks the cluster where nothing was left. */
  async hasMore(): Promise<boolean> {
    if (this.#ready !== undefined || this.#failure !== undefined || this.position < this.#end) return true;
    this.#end = (await this.offsets()).end;
    return this.position < this.#end;
  }

  #begin(): Promise<void> {
    // What a rewind made worthless changes nothing any more.
    const cursor = this.#cursor ??= this.#open();
    return this.#fetch(cursor, () => this.#cursor === cursor).finally(() => {
      if (this.#cursor === undefined || this.#cursor === cursor) this.#fetching = undefined;
    });
  }

  async #fetch(cursor: PartitionCursor, isCurrent: () => boolean): Promise<void> {
    try {
      const record = await cursor.next(Infinity);
      if (!isCurrent()) return;
      this.#ready = record;
      if (record === undefined) this.#pass(cursor.nextOffset);
    } catch (error) {
      if (!isCurrent()) return;
      await this.#dropped(error).catch((error) => isCurrent() && (this.#failure = { error }));
      if (isCurrent()) this.#cursor = undefined;
    }
  }

  #open(): PartitionCursor {
    const { cluster, topic, signal, onCorrupt, onGap } = this.#options;
    return new PartitionCursor({
      topic,
      partition: this.grant.shard,
      from: this.position,
      fromTime: undefined,
      codecs: cluster.codecs,
      patience: patienceFor(cluster, signal),
      onGap: onCorrupt === "skip" ? onGap ?? (() => {}) : undefined,
      onEnd: (end) => cluster.lags.ended(this.grant.shard, end),
    });
  }

  /** Where the partition begins and ends now. */
  async offsets(): Promise<{ earliest: number; end: number }> {
    const { cluster, topic, signal } = this.#options;
    const place = { topic: topic.topic, partition: this.grant.shard };
    const patience = patienceFor(cluster, signal);
    const found = await ask(topic, place.partition, patience, (leader) => requestOffsets(leader, place));
    cluster.lags.ended(place.partition, found.end);
    return found;
  }

  /** Goes on behind offsets without a record. */
  #pass(to: number): void {
    if (!this.isOutstanding) this.settled = Math.max(this.settled, to);
    this.position = Math.max(this.position, to);
  }

  /** Goes on behind what was dropped, where somebody wants to be told; else the error stays. */
  async #dropped(error: unknown): Promise<void> {
    if (!(error instanceof LogError && error.code === "OFFSET_OUT_OF_RANGE")) throw error;
    const { earliest, end } = await this.offsets();
    const { grant: { shard }, position } = this;
    const { from, onGap } = this.#options;
    if (position >= earliest) throw error;
    const told = new LogError(
      "OFFSET_OUT_OF_RANGE",
      `Cannot deliver shard ${shard} from offset ${position}: what stood in front of ${earliest} was dropped; pass onGap to be told and ` +
        "go on, or say anew where the consumer goes on: kafka-consumer-groups --reset-offsets",
      { shard, range: [earliest, end] },
    );
    if (onGap === undefined) throw told;
    const to = from === "latest" ? end : earliest;
    this.#pass(to);
    onGap({ shard, from: position, to: to - 1, error: told });
  }
}
