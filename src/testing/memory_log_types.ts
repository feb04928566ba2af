/**
 * The public face of a log in memory.
 *
 * @module
 */
import type { CrashKind } from "../../adapters/memory.ts";
import type { Log } from "../log/log_types.ts";
import type { OpenOptions } from "../options.ts";
import type { MemoryFault } from "./memory_fault.ts";
import type { SteppedClock } from "./stepped_clock.ts";

/** Options of `reopen` and of the opening after a crash. */
export interface ReopenOptions extends Omit<OpenOptions, "vfs" | "clock" | "random"> {
  /** Planned once the log is open; `nth` counts from there. @default {none} */
  faults?: readonly MemoryFault[];
}

/** Options of {@linkcode openMemoryLog}. */
export interface MemoryLogOptions extends ReopenOptions {
  /** Time, as `steppedClock` makes it. @default {a clock of its own, with `auto`} */
  clock?: SteppedClock;
  /**
   * Decides everything that is left to chance, a safe integer: the order in which file operations complete, what a
   * crash leaves, the log's id. Equal seeds and equal calls give equal results on every runtime.
   *
   * @default {1}
   */
  seed?: number;
}

/** A log whose files are in memory, on a simulated machine that can be made to fail and to crash. */
export interface MemoryLog extends Log {
  /** Time for this log. It goes on over a crash. */
  readonly clock: SteppedClock;
  /** What everything left to chance is drawn from. */
  readonly seed: number;
  /** File operations since the machine was started, which is at the first opening and at each crash. */
  readonly operations: number;
  /**
   * Plans a fault. A crash takes back all that have not struck, except a full disk.
   *
   * @param fault See {@linkcode MemoryFault}.
   * @returns What takes the fault back; after a full disk there is room again.
   * @throws {RangeError} where a number is out of range.
   * @throws {TypeError} where there is no such fault.
   * @throws {CrashError} where the log has crashed.
   */
  plan(fault: MemoryFault): () => void;
  /**
   * Ends this log at once, as a crash would: every pending promise and every follower rejects with `CrashError`, and so
   * does every later call. Then opens the log again on what has survived. After a `stop` fault it names the kind of
   * crash that it was.
   *
   * @param kind `process`: kill -9; everything written is still there. `power`: a power loss; whatever was not synced
   * stays, goes or tears, each write apart.
   * @param seed What a power loss leaves is drawn from it, and everything later; a safe integer. By default chance goes
   * on from the log's seed, which always decides what becomes of operations in flight.
   * @param options For the opening. By default those of the log's first opening without its `faults` and `signal`; what
   * is given here replaces them one by one.
   * @returns The log after recovery; see its `recovery`.
   * @throws {LogError} `DATA_LOSS`, `CORRUPT_FILE` and the like where the log refuses to open; `reopen` tries again.
   * @throws {CrashError} where the log, or another one on the same disk, was crashed by `crash` before.
   */
  crash(kind: CrashKind, seed?: number, options?: ReopenOptions): Promise<MemoryLog>;
  /**
   * Opens the log again: after `close`, after a `crash` whose opening failed, or for reading beside this one.
   *
   * @param options As for `crash`.
   * @throws {LogError} `LOCKED` while a writer is open, and what any opening may throw.
   */
  reopen(options?: ReopenOptions): Promise<MemoryLog>;
}
