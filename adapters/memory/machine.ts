/**
 * A simulated machine from one boot to the next crash: its disk, its locks, its faults and what is in flight.
 *
 * @module
 */
import type { FaultCounts } from "./fault_plan.ts";
import { faultCounts, FaultPlan, runWithFault } from "./fault_plan.ts";
import type { FileNode } from "./file_node.ts";
import type { Operation, OperationEvent } from "./operation.ts";
import { ContractViolation, SimulatedCrash } from "./operation.ts";
import type { MemoryOptions } from "./options.ts";
import type { CrashCounts } from "./crash_model.ts";
import { crashCounts, SECTOR_BYTES } from "./crash_model.ts";
import { losePower } from "./power_loss.ts";
import type { SeededRandom } from "./random.ts";
import { Scheduler } from "./scheduler.ts";
import { failure, Tree } from "./tree.ts";

/** How a machine goes down: the process alone, or all of it. */
export type CrashKind = "process" | "power";

/** What happened since the first boot, for reports. */
export interface MemoryReport {
  /** By kind. */
  readonly crashes: Record<CrashKind, number>;
  /** By kind. */
  readonly faults: FaultCounts;
  /** What became of writes in flight at a crash. */
  readonly inFlight: { landed: number; lost: number; prefix: number };
  /** What power losses did to what was not synced. */
  readonly powerLoss: CrashCounts;
}

/** What outlives a crash, apart from the disk: the test's own hooks and counts. */
export interface Witness {
  readonly report: MemoryReport;
  readonly violations: ContractViolation[];
  readonly listeners: Set<(event: OperationEvent) => void>;
  readonly histories: Map<string, Uint8Array[]>;
}

/** A lock on a file, and how many hold it. */
export interface HeldLock {
  readonly exclusive: boolean;
  holders: number;
}

/** A file grows no further, so that a wrong position fails instead of taking all memory. */
const MAX_FILE_BYTES = 2 ** 31;

/** A fresh witness that has seen nothing. */
export function witness(): Witness {
  return {
    report: {
      crashes: { process: 0, power: 0 },
      faults: faultCounts(),
      inFlight: { landed: 0, lost: 0, prefix: 0 },
      powerLoss: crashCounts(),
    },
    violations: [],
    listeners: new Set(),
    histories: new Map(),
  };
}

/** Runs every operation of one life of the machine. */
export class Machine {
  readonly options: MemoryOptions;
  readonly random: SeededRandom;
  readonly tree: Tree;
  readonly bootId: string;
  readonly mountId: string;
  readonly witness: Witness;
  readonly plan: FaultPlan;
  readonly scheduler: Scheduler;
  readonly locks: Map<FileNode, HeldLock> = new Map();
  capacityBytes: number;
  operations = 0;
  stopAt: number = Infinity;
  stopped = false;
  private readonly asyncProbability: number;
  private leftInFlight: Operation[] = [];
  private stopListeners: (() => void)[] = [];

  constructor(
    options: MemoryOptions,
    random: SeededRandom,
    tree: Tree = new Tree(),
    seen: Witness = witness(),
    ids: { readonly bootId: string; readonly mountId: string } = { bootId: hexId(random), mountId: hexId(random) },
  ) {
    this.options = options;
    this.random = random;
    this.tree = tree;
    this.witness = seen;
    this.bootId = ids.bootId;
    this.mountId = ids.mountId;
    this.capacityBytes = options.capacityBytes ?? Infinity;
    this.asyncProbability = Number(options.async ?? false);
    this.plan = new FaultPlan(random, seen.report.faults, options.faults);
    this.scheduler = new Scheduler(random, options.auto ?? true, (operation) => this.complete(operation));
  }

  /**
   * Counts an operation at which nothing can happen, so that its caller just does it; false where it must be run. Most operations
   * are such, and making an object of each costs more than they do.
   */
  passes(): boolean {
    if (this.asyncProbability > 0 || this.stopped || this.operations + 1 >= this.stopAt) return false;
    if (!this.plan.isEmpty || this.witness.listeners.size > 0 || this.scheduler.inFlight.length > 0) return false;
    this.operations++;
    return true;
  }

  /** Begins an operation: counts it, draws its fault, and completes it at once or leaves it to the scheduler. */
  run<T>(operation: Operation): T | Promise<T> {
    if (this.stopped) return this.refuse();
    operation.number = ++this.operations;
    if (operation.number >= this.stopAt) {
      this.stop(operation);
      return this.refuse();
    }
    const fault = operation.fault = this.plan.next(operation);
    const delayTurns = fault !== null && fault.kind === "delay" ? fault.turns : 0;
    const later = this.asyncProbability > 0 && this.random.chance(this.asyncProbability);
    if (!later && delayTurns === 0) return this.complete(operation) as T;
    if (operation.kind === "write" && fault === null && this.random.chance(0.25)) this.landEarly(operation);
    return this.scheduler.defer(operation, delayTurns) as Promise<T>;
  }

  /** How every call is answered once the machine has stopped. */
  refuse<T>(): Promise<T> {
    if (this.options.stop === "hang") return new Promise<T>(() => {});
    throw new SimulatedCrash();
  }

  /** Writes the first bytes of an operation. */
  land(operation: Operation, bytes: number): void {
    this.write(operation.path, operation.node!, operation.bytes!, bytes, operation.position);
  }

  /**
   * Writes the first bytes of an operation that is in flight. No disk gets a sector while the kernel copies into it: one that holds
   * synced bytes stays as it was until the rest of the write is there.
   */
  private landPart({ path, node, bytes, position }: Operation, count: number): void {
    const end = position + this.roomFor(node!, position, count);
    const sector = end - end % SECTOR_BYTES;
    const isWhole = this.options.strict === true || sector >= node!.disk.size;
    this.touch(node!);
    node!.write(bytes!.subarray(0, end - position), position, isWhole ? end - position : sector - position);
    if (end < position + count) throw failure("NO_SPACE", "write", path, "no space left");
  }

  /** Writes the first `count` of `bytes`, which are plain memory that nobody changes, as far as the disk has room. */
  write(path: string, node: FileNode, bytes: Uint8Array, count: number, position: number): void {
    if (position + count > MAX_FILE_BYTES) throw failure("IO", "write", path, "the file would be too large");
    const room = this.roomFor(node, position, count);
    this.touch(node);
    node.write(room === bytes.length ? bytes : bytes.subarray(0, room), position);
    if (room < count) throw failure("NO_SPACE", "write", path, "no space left");
  }

  /** The file's content changes now. */
  touch(node: FileNode): void {
    if (this.options.now !== undefined) node.modifiedMs = this.options.now();
  }

  /** Bytes that all files together may still grow by. */
  get freeBytes(): number {
    if (this.capacityBytes === Infinity) return Infinity;
    let used = 0;
    this.tree.walk((_path, file) => {
      used += file.cache.size;
    });
    return Math.max(0, this.capacityBytes - used);
  }

  /** Records a broken promise of the caller and fails the call with it. */
  violate(message: string): never {
    const violation = new ContractViolation(message);
    this.witness.violations.push(violation);
    throw violation;
  }

  /** From here on nothing completes. `last` is the operation at which it happens: it may still take effect. */
  stop(last?: Operation): void {
    if (this.stopped) return;
    this.stopped = true;
    this.leftInFlight = this.scheduler.stop();
    if (this.options.stop !== "hang") {
      for (const operation of this.leftInFlight) operation.reject?.(new SimulatedCrash());
    }
    if (last !== undefined) this.leftInFlight.push(last);
    for (const listener of this.stopListeners) listener();
  }

  whenStopped(): Promise<void> {
    return new Promise((resolve) => {
      if (this.stopped) resolve();
      else this.stopListeners.push(resolve);
    });
  }

  /** Ends this machine and boots the next one on what its disk holds. */
  crash(kind: CrashKind): Machine {
    this.stop();
    const { report } = this.witness;
    report.crashes[kind]++;
    for (const operation of this.random.shuffle(this.leftInFlight)) this.interrupt(operation, kind);
    this.leftInFlight = [];
    const { random, options, tree } = this;
    if (kind === "power") {
      const model = options.crash ?? {};
      losePower(tree, { random, model, strict: options.strict ?? false, counts: report.powerLoss });
    }
    // Whoever gives the same seed to two power losses has two boots nevertheless.
    const boot = ((parseInt(this.bootId.slice(0, 8), 16) + 1) >>> 0).toString(16).padStart(8, "0");
    const ids = kind === "process" ? this : { bootId: boot + hexId(random).slice(8), mountId: hexId(random) };
    const next = new Machine(options, random, tree, this.witness, ids);
    next.capacityBytes = this.capacityBytes;
    return next;
  }

  private complete(operation: Operation): unknown {
    const { listeners } = this.witness;
    try {
      if (operation.resolve !== null && operation.bytes !== null) this.checkUnchanged(operation);
      const { fault } = operation;
      const result = fault === null ? operation.effect() : runWithFault(operation, fault, this.random);
      if (listeners.size > 0) this.tell(operation, undefined);
      return result;
    } catch (error) {
      if (listeners.size > 0) this.tell(operation, error);
      throw error;
    }
  }

  private tell(operation: Operation, error: unknown): void {
    const { number, kind, path, target, position, length: bytes } = operation;
    for (const listener of this.witness.listeners) listener({ number, kind, path, target, position, bytes, error });
  }

  /** A reader beside a write in flight may see part of it. */
  private landEarly(operation: Operation): void {
    const length = operation.bytes!.length;
    if (length === 0 || this.capacityBytes !== Infinity) return;
    operation.landed = this.random.below(length);
    this.landPart(operation, operation.landed);
  }

  /** Decides what an operation in flight has done by the time of the crash. */
  private interrupt(operation: Operation, kind: CrashKind): void {
    const counts = this.witness.report.inFlight;
    const draw = this.random.below(3);
    try {
      if (draw === 0) {
        counts.lost++;
        // What the kernel had copied when the process ended is written back like anything else.
        if (kind === "process" && operation.landed > 0) this.land(operation, operation.landed);
      } else if (draw === 1 || operation.bytes === null) {
        counts.landed++;
        operation.effect();
      } else {
        counts.prefix++;
        const { landed, bytes } = operation;
        const count = landed + this.random.below(bytes.length - landed + 1);
        if (kind === "power") this.landPart(operation, count);
        else this.land(operation, count);
      }
    } catch {
      // It would have failed; nobody is left to be told.
    }
  }

  private checkUnchanged(operation: Operation): void {
    if (this.options.checkBuffers === false) return;
    const bytes = operation.bytes!;
    const from = operation.from!;
    let same = from.length === bytes.length;
    for (let i = 0; same && i < bytes.length; i++) same = from[i] === bytes[i];
    if (!same) this.violate(`The bytes of write ${operation.number} to ${operation.path} changed while in flight`);
  }

  private roomFor(node: FileNode, position: number, bytes: number): number {
    if (this.capacityBytes === Infinity || position + bytes <= node.cache.size) return bytes;
    const end = node.cache.size + this.freeBytes;
    return Math.max(0, Math.min(bytes, end - position));
  }
}

function hexId(random: SeededRandom): string {
  let id = "";
  for (let i = 0; i < 4; i++) id += random.nextU32().toString(16).padStart(8, "0");
  return id;
}
