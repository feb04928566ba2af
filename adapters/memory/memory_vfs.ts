/**
 * The simulated file system as the engine sees it, and the controls that a test has over it.
 *
 * @module
 */
import type { Host, Instance, MaybePromise, OpenFileOptions, OpenMode, Vfs, VfsFile, VfsLock } from "../../src/vfs.ts";
import { listPaths, readDirectory, readWhole, writeWhole } from "./contents.ts";
import type { PlannedFault, SeededFaults } from "./fault_plan.ts";
import { fits } from "./fault_plan.ts";
import { openFile } from "./file.ts";
import { type MemoryLock, takeLock } from "./lock.ts";
import { type CrashKind, Machine, type MemoryReport } from "./machine.ts";
import { MemoryNames } from "./names.ts";
import type { ContractViolation, OperationEvent } from "./operation.ts";
import { Operation } from "./operation.ts";
import type { MemoryOptions } from "./options.ts";
import { SeededRandom } from "./random.ts";
import { OtherNode } from "./tree_nodes.ts";

/** The disk and page cache of a simulated machine at one moment. Never changes, and shares memory with its copies. */
export interface MemorySnapshot {
  /** See {@linkcode MemoryVfs.from}. */
  boot(options?: MemoryOptions): MemoryVfs;
}

/**
 * A file system in memory that loses, tears and reorders what was not synced, and fails where it is told to.
 * One object is one life of a machine: {@linkcode MemoryVfs.crash} ends it and returns the next.
 */
export class MemoryVfs extends MemoryNames implements Vfs {
  /** From the options. */
  readonly host: Host;

  private constructor(machine: Machine) {
    super(machine);
    this.host = machine.options.host ?? { pid: 1, runtime: "memory" };
  }

  /**
   * A machine of its own in the state of `snapshot`, with no faults planned, no hooks and fresh counts.
   *
   * @param options What differs from the machine the snapshot was taken of. Without a seed, chance goes on as it
   * would have gone on there.
   */
  static from(snapshot: MemorySnapshot, options: MemoryOptions = {}): MemoryVfs {
    return snapshot.boot(options);
  }

  /** See {@linkcode memoryVfs}. */
  static start(options: MemoryOptions = {}): MemoryVfs {
    return new MemoryVfs(new Machine(options, new SeededRandom(options.seed ?? 1)));
  }

  /** See {@linkcode Vfs.open}. */
  open(path: string, mode: OpenMode, options?: OpenFileOptions): MaybePromise<VfsFile> {
    const { machine } = this;
    const direct = options?.direct ?? false;
    if (machine.passes()) return openFile(machine, path, mode, direct);
    return beginOpen(machine, path, mode, direct);
  }

  /** See {@linkcode Vfs.lock}. */
  lock(path: string, mode: "exclusive" | "shared"): MaybePromise<VfsLock> {
    if (this.machine.passes()) return takeLock(this.machine, path, mode === "exclusive");
    const operation = new Operation("lock", path, () => takeLock(this.machine, path, mode === "exclusive"));
    operation.undo = freeLock;
    return this.machine.run(operation);
  }

  /** See {@linkcode Vfs.modified}. */
  modified(path: string): MaybePromise<number> {
    if (this.machine.passes()) return this.machine.tree.modified(path);
    return this.machine.run(new Operation("size", path, () => this.machine.tree.modified(path)));
  }

  /** See {@linkcode Vfs.freeBytes}. */
  freeBytes(directory: string): MaybePromise<number> {
    return this.machine.run(new Operation("size", directory, () => this.machine.freeBytes));
  }

  /** See {@linkcode Vfs.instance}. */
  instance(_directory: string): MaybePromise<Instance> {
    const { options, stopped, bootId, mountId } = this.machine;
    if (stopped) return this.machine.refuse();
    return options.unknownInstance ? { bootId: "", mountId: "" } : { bootId, mountId };
  }

  /** Operations begun in this life. */
  get operations(): number {
    return this.machine.operations;
  }

  /** Operations begun and not completed. */
  get inFlight(): number {
    return this.machine.scheduler.inFlight.length;
  }

  /** What happened since the first boot. */
  get report(): MemoryReport {
    return this.machine.witness.report;
  }

  /** Where the caller broke the file contract, since the first boot. The call failed too. */
  get violations(): readonly ContractViolation[] {
    return this.machine.witness.violations;
  }

  /** What all files together may hold, in bytes. May be changed at any time: a full disk, and full no more. */
  get capacityBytes(): number {
    return this.machine.capacityBytes;
  }

  set capacityBytes(bytes: number) {
    this.machine.capacityBytes = bytes;
  }

  /**
   * Plans a fault of this life.
   *
   * @returns What takes the plan back.
   * @throws {TypeError} When the fault fits no operation of the kind given.
   */
  plan(planned: PlannedFault): () => void {
    const { operation, fault } = planned;
    if (typeof operation === "object" && operation.kind !== undefined) {
      const kinds = typeof operation.kind === "string" ? [operation.kind] : operation.kind;
      if (!kinds.some((kind) => fits(fault.kind, kind))) {
        throw new TypeError(`Cannot plan a fault: ${fault.kind} does not fit ${kinds.join(" or ")}`);
      }
    }
    return this.machine.plan.add(planned);
  }

  /** Replaces the faults that strike by chance. */
  seedFaults(faults: SeededFaults | undefined): void {
    this.machine.plan.seeded = faults;
  }

  /** Takes back every fault, planned or by chance. */
  clearFaults(): void {
    this.machine.plan.clear();
  }

  /**
   * Stops the machine at an operation: whether that one still takes effect is drawn at the crash, and all calls
   * from then on throw `SimulatedCrash` (or never answer, see `stop` of the options).
   *
   * @param operation Its number in this life, from 1.
   */
  crashAt(operation: number): void {
    this.machine.stopAt = operation;
  }

  /** Whether the machine has stopped. */
  get stopped(): boolean {
    return this.machine.stopped;
  }

  /** Resolves once the machine has stopped. */
  whenStopped(): Promise<void> {
    return this.machine.whenStopped();
  }

  /**
   * Ends this life: handles and locks are gone, and this object answers nothing any more.
   *
   * @param kind `process`: the page cache lives on. `power`: what was not synced is kept, lost or torn by chance.
   * @returns The next life of the machine, with no fault planned and operations counted from 1.
   */
  crash(kind: CrashKind): MemoryVfs {
    return new MemoryVfs(this.machine.crash(kind));
  }

  /** Frees all locks although their holders live, as a network file system may. */
  loseLocks(): void {
    this.machine.locks.clear();
  }

  /** Completes one operation in flight, drawn by the seed. Answers false when there is none. */
  step(): boolean {
    return this.machine.scheduler.step();
  }

  /** Completes operations until the caller begins no more. */
  settle(): Promise<void> {
    return this.machine.scheduler.settle();
  }

  /** The state of the disk and the page cache now, without what is in flight. Costs no copy of the files. */
  snapshot(): MemorySnapshot {
    const { machine } = this;
    const held = { ...machine.options, capacityBytes: machine.capacityBytes };
    const [tree, random] = [machine.tree.clone(), machine.random.clone()];
    return {
      boot: (options = {}) => {
        const chance = options.seed === undefined ? random.clone() : new SeededRandom(options.seed);
        return new MemoryVfs(new Machine({ ...held, ...options }, chance, tree.clone(), undefined, machine));
      },
    };
  }

  /** Paths of all files as they are seen, sorted, without a `/` at the front. */
  paths(): string[] {
    return listPaths(this.machine.tree);
  }

  /** A copy of what a file holds. Not an operation. */
  readWhole(path: string): Uint8Array {
    return readWhole(this.machine.tree, path);
  }

  /**
   * What the files in a directory hold, by name, sorted; none where there is no directory. Not an operation. The contents
   * never change, and nothing is copied before a file does.
   */
  readDirectory(path: string, isWanted: (name: string) => boolean = () => true): Map<string, Uint8Array> {
    return readDirectory(this.machine.tree, path, isWanted);
  }

  /** Gives a file a content, durable at once as are the directories above it. Not an operation. */
  writeWhole(path: string, bytes: Uint8Array): void {
    writeWhole(this.machine.tree, path, bytes);
  }

  /** Removes a file or a whole directory, durably. Not an operation. */
  removeWhole(path: string): void {
    this.machine.tree.uproot(path);
  }

  /** Puts something at `path` that is neither a file nor a directory, such as a symbolic link is. */
  plantOther(path: string): void {
    this.machine.tree.plant(path, new OtherNode());
  }

  /**
   * Calls `listener` after every operation, in this life and the next ones.
   *
   * @returns What ends it.
   */
  onOperation(listener: (event: OperationEvent) => void): () => void {
    const { listeners } = this.machine.witness;
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  /**
   * Every content that writes and truncates ever gave the file at `path`, oldest first, since the first boot.
   * Only for files that match `history` of the options; a file counts under the path it was opened with.
   */
  history(path: string): readonly Uint8Array[] {
    return this.machine.witness.histories.get(path) ?? [];
  }
}

/** Apart: a function with closures makes room for what they see whenever it is called, also where it makes none. */
function beginOpen(machine: Machine, path: string, mode: OpenMode, direct: boolean): MaybePromise<VfsFile> {
  return machine.run(new Operation("open", path, () => openFile(machine, path, mode, direct)));
}

function freeLock(lock: unknown): void {
  (lock as MemoryLock).free();
}

/**
 * A fresh simulated machine with an empty disk.
 *
 * @param options Settings; the seed decides everything that is left to chance.
 */
export function memoryVfs(options: MemoryOptions = {}): MemoryVfs {
  return MemoryVfs.start(options);
}
