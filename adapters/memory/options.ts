/**
 * Settings of a simulated machine.
 *
 * @module
 */
import type { Host } from "../../src/vfs.ts";
import type { SeededFaults } from "./fault_plan.ts";
import type { CrashModel } from "./crash_model.ts";

/** Settings of a simulated machine. */
export interface MemoryOptions {
  /**
   * Decides everything that is left to chance: equal seeds and equal calls give equal results.
   *
   * @default {1}
   */
  readonly seed?: number;
  /**
   * Whether calls are answered with promises, or with which probability from 0 to 1. Several can then be in
   * flight, and complete in any order.
   *
   * @default {false}
   */
  readonly async?: boolean | number;
  /**
   * Whether operations in flight complete through microtasks. Otherwise only `step` and `settle` complete them.
   *
   * @default {true}
   */
  readonly auto?: boolean;
  /**
   * Drops the assumption on sectors: at a power loss a sector that holds synced bytes and is being rewritten may
   * be torn or lost.
   *
   * @default {false}
   */
  readonly strict?: boolean;
  /**
   * What all files together may hold, in bytes.
   *
   * @default {Infinity}
   */
  readonly capacityBytes?: number;
  /**
   * Whether a write that completes later checks that the caller left its bytes unchanged.
   *
   * @default {true}
   */
  readonly checkBuffers?: boolean;
  /**
   * Whether files can be opened with `direct`.
   *
   * @default {true}
   */
  readonly directIo?: boolean;
  /**
   * Makes `instance` answer empty strings, as where the boot id cannot be read.
   *
   * @default {false}
   */
  readonly unknownInstance?: boolean;
  /** Every content of the files with a matching path is kept: see `history`. */
  readonly history?: RegExp;
  /**
   * How calls answer once the machine has stopped: they throw `SimulatedCrash`, or never answer.
   *
   * @default {"throw"}
   */
  readonly stop?: "throw" | "hang";
  /**
   * Who the engine believes to run on.
   *
   * @default {{ pid: 1, runtime: "memory" }}
   */
  readonly host?: Host;
  /**
   * What a file that is written to says of when that was, in milliseconds since 1970. Files that the test puts there itself keep
   * 1,700,000,000,000.
   *
   * @default always 1,700,000,000,000
   */
  readonly now?: () => number;
  /** How often each thing happens at a power loss. */
  readonly crash?: CrashModel;
  /** Faults that strike by chance. */
  readonly faults?: SeededFaults;
}
