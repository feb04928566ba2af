/**
 * What a shard and its log know of each other.
 *
 * @module
 */
import type { Compressor } from "../batch/compressor.ts";
import type { KeyObserver } from "../batch/key_observer.ts";
import type { LogError } from "../errors.ts";
import type { Limits, Rung } from "../options.ts";
import type { ShardTelemetry } from "../telemetry/shard_telemetry.ts";
import type { RetentionPolicy } from "../retention/retention_options.ts";
import type { UserTrims } from "../retention/user_trims.ts";
import type { Clock } from "../vfs.ts";
import type { Budget } from "./budget.ts";

/** What the log's timer needs of a shard. */
export interface Flushable {
  /** The timer knows of this shard. */
  timerArmed: boolean;
  requestFlush(): void;
}

/** What a shard needs of its log. */
export interface ShardContext {
  readonly id: number;
  readonly epoch: number;
  readonly limits: Limits;
  readonly durability: Rung;
  readonly retention: RetentionPolicy;
  /** Below which offsets users' records are hidden. */
  readonly trims: UserTrims;
  readonly clock: Clock;
  readonly budget: Budget;
  /** Packs the batches that the shard builds. */
  readonly compressor?: Compressor;
  /** Told of the keys in these batches. */
  readonly keys?: KeyObserver;
  /** Asks the log's one timer to call {@linkcode Flushable.requestFlush} in time. */
  readonly armTimer: (shard: Flushable) => void;
  /** Takes that back: nothing waits to be flushed any more. */
  readonly disarmTimer: (shard: Flushable) => void;
  /** The log's whole budget is used: every shard should flush. */
  readonly overBudget: () => void;
  readonly onError: (error: LogError) => void;
  readonly telemetry: ShardTelemetry;
}
