/**
 * A file system and a clock in memory, for tests: deterministic from a seed, without real time.
 *
 * ## What survives
 * A file has a page cache, which reads see, and a disk. A completed write is in the cache; `sync` brings the writes
 * and truncates that completed before it, and the size, to the disk, but not the file's directory entry, which
 * `syncDirectory` of its directory does. A new directory is an entry of its parent in the same way.
 *
 * **A process crash** keeps the page cache. Each operation in flight took place or did not; a write in flight may
 * also have landed as a prefix. Handles and locks are gone.
 *
 * **A power loss** does that too, and then decides by chance for each unsynced write, in order: *kept*, *dropped*,
 * *torn* at a byte, by *sectors* of 512 bytes or *blocks* of 4 KiB that are old or new each, *zeros* or *garbage* in
 * place of the data, or *stale* bytes: what a truncate once cut off there, or a sector of another position of the
 * file. What reaches the disk is whole sectors of the page cache as it was after that write, so a sector is never
 * newer in one half than in the other. The size reaches the disk in the order of the changes, but apart from the
 * data: a file may end before data that landed, or reach over data that did not, and a truncate may be undone. Data
 * that landed behind the size stays on the disk unseen, and shows where a later size reaches over it and the data that
 * belongs there does not land.
 * Creates, removes and renames that were not synced stay or vanish each; a rename is old or new; a change
 * that builds on a lost one is lost. What a lost directory contains is lost, however well it was synced. The boot
 * id and the mount id are new.
 *
 * **Assumed of the disk**, unless `strict`: zeros, garbage, stale bytes and byte tears hit only sectors that hold
 * no synced byte; a rewritten sector with synced bytes is old or new, whole, also where the write to it was in flight.
 * With `strict` a sector that is being rewritten when the power goes may come out as anything, its synced bytes
 * included. Sectors that no unsynced change touches are never harmed.
 *
 * After a change list of 4,096 entries the older half of a file's is written back, as a kernel does on its own.
 *
 * ## What a caller is held to
 * Writes in flight on one file never overlap, a truncate runs beside nothing, the bytes of a write stay unchanged
 * until it completes, a handle is not closed while it is in use, a locked file is not opened. Whoever breaks this
 * gets a `ContractViolation`, which is also kept in `violations`.
 *
 * @module
 */
export { MemoryVfs, memoryVfs } from "./memory/memory_vfs.ts";
export type { MemorySnapshot } from "./memory/memory_vfs.ts";
export type { MemoryOptions } from "./memory/options.ts";
export type { CrashKind, MemoryReport } from "./memory/machine.ts";
export type { CrashChoice, CrashCounts, CrashModel } from "./memory/crash_model.ts";
export type { Fault, FaultKind } from "./memory/fault.ts";
export type { FaultCounts, OperationMatcher, PlannedFault, SeededFaults } from "./memory/fault_plan.ts";
export type { OperationEvent, OperationKind } from "./memory/operation.ts";
export { ContractViolation, SimulatedCrash } from "./memory/operation.ts";
export { SimulatedClock, simulatedClock } from "./memory/clock.ts";
export { SeededRandom, seededRandom } from "./memory/random.ts";
