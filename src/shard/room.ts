/**
 * Backpressure: whether a shard may take more, and who waits until it may.
 *
 * @module
 */
import type { ShardTelemetry } from "../telemetry/shard_telemetry.ts";
import type { AppendBuffer } from "./append_buffer.ts";
import type { Budget } from "./budget.ts";
import { tooLargeError } from "./refusals.ts";
import { OffsetWaiters } from "./waiters.ts";

/** The room of one shard within its own limit and the log's budget. */
export class Room {
  readonly #shard: number;
  readonly #buffer: AppendBuffer;
  readonly #budget: Budget;
  readonly #max: number;
  readonly #nudge: () => void;
  readonly #telemetry: ShardTelemetry;
  /** They wait for no offset, so they all wait for 0. */
  readonly #waiters: OffsetWaiters = new OffsetWaiters();
  /** Cost of the last record that found no room; 0 once one did. */
  #refusedBytes = 0;
  #isPaused = false;

  /** @param nudge Makes sure that what fills the buffer is on its way: called where there was no room. */
  constructor(
    shard: number,
    buffer: AppendBuffer,
    budget: Budget,
    maxBufferPerShard: number,
    nudge: () => void,
    telemetry: ShardTelemetry,
  ) {
    this.#telemetry = telemetry;
    this.#nudge = nudge;
    this.#shard = shard;
    this.#buffer = buffer;
    this.#budget = budget;
    this.#max = maxBufferPerShard;
  }

  /**
   * True where `cost` bytes may be taken now.
   *
   * @throws {LogError} `RECORD_TOO_LARGE` where they never can be.
   */
  has(cost: number): boolean {
    const { used, max } = this.#budget;
    if (this.#buffer.bytes + cost <= this.#max && used + cost <= max && !this.#buffer.isCrowded) {
      this.#refusedBytes = 0;
      return true;
    }
    const limit = Math.min(this.#max, max);
    if (cost > limit) throw tooLargeError(this.#shard, cost, limit);
    this.#refusedBytes = cost;
    this.#telemetry.refusals++;
    this.#nudge();
    return false;
  }

  /** Bytes that the shard's own limit has left. */
  get left(): number {
    return this.#max - this.#buffer.bytes;
  }

  /** Below half of both limits, and with room for what was refused last: who tries again now will succeed. */
  get isWritable(): boolean {
    const { bytes } = this.#buffer;
    const { used, max } = this.#budget;
    const refused = this.#refusedBytes;
    if (this.#buffer.isCrowded || this.#isPaused) return false;
    return bytes * 2 < this.#max && used * 2 < max && bytes + refused <= this.#max && used + refused <= max;
  }

  /** True where the log as a whole holds so much that every shard should flush: what was refused last may need more than half of its room. */
  get isLogFull(): boolean {
    const { used, max } = this.#budget;
    return used * 2 >= max || used + this.#refusedBytes > max;
  }

  /** Somebody waits for room. */
  get isAwaited(): boolean {
    return !this.#waiters.isEmpty;
  }

  /** Resolves once {@linkcode Room.isWritable}. */
  async wait(signal?: AbortSignal): Promise<void> {
    if (this.isWritable) return;
    this.#nudge();
    const telemetry = this.#telemetry;
    const startedMs = telemetry.nowMs();
    telemetry.waits++;
    this.#budget.waiting.add(this.#offer);
    try {
      await this.#waiters.wait(0, signal);
    } finally {
      telemetry.waited(startedMs);
    }
  }

  /** There is no room for anything, until it is called with false. */
  pause(isPaused: boolean): void {
    this.#isPaused = isPaused;
    this.freed();
  }

  /** Memory was given back: whoever waits on any shard of the log is asked again. */
  freed(): void {
    for (const offer of this.#budget.waiting) offer();
  }

  /** The shard stops: nobody gets room here any more. */
  fail(reason: unknown): void {
    this.#budget.waiting.delete(this.#offer);
    this.#waiters.fail(reason);
    this.freed();
  }

  readonly #offer = (): void => {
    if (!this.isWritable) return;
    this.#budget.waiting.delete(this.#offer);
    this.#waiters.reach(0);
  };
}
