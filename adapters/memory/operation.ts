/**
 * One call of the file contract, from its start to its completion.
 *
 * @module
 */
import type { Fault } from "./fault.ts";
import type { FileNode } from "./file_node.ts";

/** The calls of the file contract that are counted; `instance` is not, since it never fails. */
export type OperationKind =
  | "open"
  | "list"
  | "makeDirectory"
  | "remove"
  | "rename"
  | "link"
  | "syncDirectory"
  | "lock"
  | "release"
  | "read"
  | "write"
  | "size"
  | "truncate"
  | "sync"
  | "close";

/** What a hook is told when an operation has completed. */
export interface OperationEvent {
  /** Counts the operations of one machine, from 1. */
  readonly number: number;
  /** Which call. */
  readonly kind: OperationKind;
  /** As it was passed, or as the file was opened. */
  readonly path: string;
  /** Where a rename goes. */
  readonly target?: string;
  /** Of a read or write; the new size for a truncate; else 0. */
  readonly position: number;
  /** Asked to be read or written; else 0. */
  readonly bytes: number;
  /** Why it failed. */
  readonly error?: unknown;
}

/**
 * A call under way. Its functions get names before they are assigned: V8 puts a function that is written behind `object.property =` among
 * the old objects, and all that it sees stays until those are collected.
 */
export class Operation {
  readonly kind: OperationKind;
  readonly path: string;
  /** What it does once it completes. */
  readonly effect: () => unknown;
  number = 0;
  fault: Fault | null = null;
  target: string | undefined = undefined;
  node: FileNode | null = null;
  /** The handle it came through. */
  owner: unknown = null;
  position = 0;
  length = 0;
  /** A write's own copy of the caller's bytes, taken at the call. */
  bytes: Uint8Array | null = null;
  /** A write's bytes as the caller holds them: they must not change before it completes. */
  from: Uint8Array | null = null;
  into: Uint8Array | null = null;
  /** Writes the first bytes only: what a crash, a full disk or a fault leaves. */
  land: ((bytes: number) => void) | null = null;
  /** What a failed sync takes away. */
  lose: (() => void) | null = null;
  /** Frees what a call that is reported as failed has taken. */
  undo: ((result: unknown) => void) | null = null;
  /** The scheduler's turn before which it does not complete. */
  dueTurn = 0;
  /** Bytes of a write in flight that are already seen. */
  landed = 0;
  resolve: ((value: unknown) => void) | null = null;
  reject: ((error: unknown) => void) | null = null;

  constructor(kind: OperationKind, path: string, effect: () => unknown) {
    this.kind = kind;
    this.path = path;
    this.effect = effect;
  }

  /** Whether it changes nothing. */
  get isRead(): boolean {
    return this.kind === "read" || this.kind === "size";
  }
}

/** The simulated machine has stopped: this operation and all later ones never complete. Not an answer of a disk. */
export class SimulatedCrash extends Error {
  /** Always `SimulatedCrash`. */
  override readonly name: string = "SimulatedCrash";

  /** Always the same message. */
  constructor() {
    super("Cannot go on: the simulated machine has crashed");
  }
}

/** The caller broke the file contract, such as by two overlapping writes in flight. */
export class ContractViolation extends Error {
  /** Always `ContractViolation`. */
  override readonly name: string = "ContractViolation";
}
