/**
 * One timer for all shards of a log, set only while a record waits to be flushed.
 *
 * @module
 */
import type { Flushable } from "../shard/shard_context.ts";
import type { Clock, TimerHandle } from "../vfs.ts";

/** Flushes shards at most `intervalMs` after their first record. */
export class FlushTimer {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  #armed = new Set<Flushable>();
  #timer: TimerHandle = undefined;
  #isSet = false;

  constructor(clock: Clock, intervalMs: number) {
    this.#clock = clock;
    this.#intervalMs = intervalMs;
  }

  /** The shard has something to flush. */
  arm(shard: Flushable): void {
    shard.timerArmed = true;
    if (this.#intervalMs === Infinity) return;
    this.#armed.add(shard);
    if (this.#isSet) return;
    this.#isSet = true;
    // 0: whatever is appended until the caller gives way goes into the same flush.
    if (this.#intervalMs === 0) queueMicrotask(this.#fire);
    else this.#timer = this.#clock.setTimer(this.#fire, this.#intervalMs);
  }

  /** The shard was flushed for another reason. Without shards the timer must not keep the process alive. */
  disarm(shard: Flushable): void {
    shard.timerArmed = false;
    this.#armed.delete(shard);
    if (this.#armed.size === 0) this.#clear();
  }

  /** Stops; what waits is flushed by nobody any more. */
  stop(): void {
    this.#armed.clear();
    this.#clear();
  }

  #clear(): void {
    // A microtask cannot be taken back: it finds nobody.
    if (!this.#isSet || this.#intervalMs === 0) return;
    this.#clock.clearTimer(this.#timer);
    this.#isSet = false;
  }

  readonly #fire = (): void => {
    this.#isSet = false;
    const armed = this.#armed;
    this.#armed = new Set();
    for (const shard of armed) {
      shard.timerArmed = false;
      shard.requestFlush();
    }
  };
}
