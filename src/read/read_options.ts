/**
 * What readers can be asked for.
 *
 * @module
 */
import type { SignalOptions } from "../options.ts";
import type { GapEvent } from "./shard_batches.ts";
import type { Start } from "./start.ts";

/** Options of `log.read`. */
export interface ReadOptions extends SignalOptions {
  /** One shard. Without: all, records merged by (timestamp, shard, offset), batches one shard after the other. */
  shard?: number;
  /** Where to begin. @default {"earliest"} */
  from?: Start;
  /** Only the last so many records, counted now; `follow` goes on behind them. */
  last?: number;
  /** At most so many records. */
  limit?: number;
  /** Waits for more at the end instead of ending. Ends when the log is closed. @default {false} */
  follow?: boolean;
  /** What to do at damaged data: throw `CORRUPT_BATCH`, or tell `onGap` and go on behind it. @default {"stop"} */
  onCorrupt?: "stop" | "skip";
  /** Called for every range of offsets that was passed over. */
  onGap?: (gap: GapEvent) => void;
}
