/**
 * BimipLog for tests: the real log on a simulated machine that fails and crashes on command. In memory, without real
 * time, and repeatable from a seed. See `docs/testing.md`.
 *
 * @example
 * ```ts
 * import { openMemoryLog } from "@bimip/log/testing";
 *
 * const log = await openMemoryLog({ seed: 42 });
 * await log.append({ value: "kept" }, { durability: "disk" });
 * await log.append({ value: "perhaps" }, { durability: "os" });
 *
 * const again = await log.crash("power");
 * // Whether "perhaps" is still there, the seed decides.
 * for await (const record of again.read({ limit: 1 })) console.log(record.text()); // kept
 * await again.close();
 * ```
 *
 * @module
 */
import { runtimeCodecs } from "./adapters/codecs.ts";
import { MemoryMachine } from "./src/testing/memory_machine.ts";
import type { MemoryLog, MemoryLogOptions } from "./src/testing/memory_log_types.ts";
import { StepClock } from "./src/testing/stepped_clock.ts";

export type { CrashKind } from "./adapters/memory.ts";
export type { Codecs, Compression } from "./src/batch/codecs.ts";
export type { CodecName } from "./src/batch/format.ts";
export type { ProducerHandle } from "./src/claims/handle.ts";
export type { BytesInput, HeadersInput, RecordInput } from "./src/batch/record_input.ts";
export { LogError, type LogErrorCode, type LogErrorDetails } from "./src/errors.ts";
export type { Appended, AppendOptions, Log, RecordPlace, UserReadOptions, UserStream } from "./src/log/log_types.ts";
export type { RecoveryReport } from "./src/log/opened_shard.ts";
export type { ProducerOptions } from "./src/log/producers.ts";
export type { DirectIo, OpenOptions, Rung, SignalOptions } from "./src/options.ts";
export type { ReadOptions } from "./src/read/read_options.ts";
export type { RecordCursor } from "./src/read/record_cursor.ts";
export type { GapEvent } from "./src/read/shard_batches.ts";
export type { Start } from "./src/read/start.ts";
export type { LogBatch } from "./src/read/stored_batch.ts";
export type { LogRecord } from "./src/read/stored_record.ts";
export type { Verdict } from "./src/recovery/analyse.ts";
export { BACKPRESSURE, type Shard, type ShardState } from "./src/shard/shard_types.ts";
export { CrashError } from "./src/testing/crash_error.ts";
export type {
  Delay,
  DiskFull,
  FaultPlace,
  FaultyFile,
  MemoryFault,
  Stop,
  SyncFails,
  SyncLies,
  WriteFails,
} from "./src/testing/memory_fault.ts";
export type { MemoryLog, MemoryLogOptions, ReopenOptions } from "./src/testing/memory_log_types.ts";
export { type SteppedClock, steppedClock, type SteppedClockOptions } from "./src/testing/stepped_clock.ts";
export type {
  Clock,
  DirectoryEntry,
  Host,
  Instance,
  MaybePromise,
  OpenFileOptions,
  OpenMode,
  Random,
  TimerHandle,
  Vfs,
  VfsFile,
  VfsLock,
} from "./src/vfs.ts";

/**
 * Opens an empty log on a simulated machine of its own. It is the log that `openLog` opens, on files in memory.
 *
 * @param options Those of `openLog`, and a clock, a seed and faults; see {@linkcode MemoryLogOptions}.
 * @returns The open log; `await using` closes it.
 * @throws {RangeError} where an option is out of range.
 * @throws {TypeError} where the clock was not made by `steppedClock`.
 * @throws {LogError} `NOT_A_LOG` with `readOnly`: there is nothing to read yet.
 *
 * @example
 * ```ts
 * import { openMemoryLog } from "@bimip/log/testing";
 *
 * await using log = await openMemoryLog({ shards: 2, durability: "disk" });
 * log.plan({ fault: "diskFull", afterBytes: 0 });
 * await log.append({ value: "hi" }).catch((error) => console.log(error.code)); // DISK_FULL
 * await using again = await log.crash("process", undefined, { readOnly: true });
 * console.log(again.recovery[0].verdict); // clean
 * ```
 */
export async function openMemoryLog(options: MemoryLogOptions = {}): Promise<MemoryLog> {
  const { clock = new StepClock({}), seed = 1, ...opening } = options;
  if (!(clock instanceof StepClock)) {
    throw new TypeError("Cannot open a log in memory: make its clock with steppedClock()");
  }
  return await new MemoryMachine(opening, clock, seed, runtimeCodecs).open(opening);
}
