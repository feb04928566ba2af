/**
 * What `log.append` takes and answers.
 *
 * @module
 */
import type { Rung, SignalOptions } from "../options.ts";

/** Options of `log.append`. */
export interface AppendOptions extends SignalOptions {
  /** The rung this record is acknowledged on. @default {the log's} */
  durability?: Rung;
  /**
   * Appends only where this is the shard's next offset, so that nothing came after what the writer has read. Nobody's record comes
   * between the comparison and the append, in whichever thread. Needs a key where the log has several shards.
   */
  ifOffset?: number;
  /**
   * Appends only where the newest record of the record's key has this offset; -1: where the key has none. A key is searched for in its
   * shard when it is asked for the first time, and watched from then on.
   */
  ifUserOffset?: number;
}

/** Where a record went. */
export interface Appended {
  /** Number of the shard that took it. */
  readonly shard: number;
  /** Its offset in that shard. */
  readonly offset: number;
}

/** Which record. What `append` answers is one. */
export interface RecordPlace {
  /** Number of its shard. Needed where the log has several. */
  readonly shard?: number;
  /** Its offset there. */
  readonly offset: number;
}
