/**
 * Which operation gets which fault, and what the fault does there.
 *
 * @module
 */
import type { VfsErrorCode } from "../../src/vfs.ts";
import type { Fault, FaultKind } from "./fault.ts";
import type { Operation, OperationKind } from "./operation.ts";
import type { SeededRandom } from "./random.ts";
import { failure } from "./tree.ts";

/** Which operations a fault is meant for. */
export interface OperationMatcher {
  /** Any kind without it. */
  readonly kind?: OperationKind | readonly OperationKind[];
  /** Any path without it. Matches anywhere in the path as it was passed. */
  readonly path?: RegExp;
  /**
   * The how many-th match fails, from 1.
   *
   * @default {1}
   */
  readonly nth?: number;
}

/** A fault and where it strikes. */
export interface PlannedFault {
  /** The number of the operation (the first one of a machine is 1), or what it looks like. */
  readonly operation: number | OperationMatcher;
  /** What goes wrong there. */
  readonly fault: Fault;
  /**
   * How many operations in a row it strikes: the following numbers, or the following matches.
   *
   * @default {1}
   */
  readonly times?: number;
}

/** Faults that strike by chance. */
export interface SeededFaults {
  /** Probability from 0 to 1 that an operation which one of the faults fits gets one. */
  readonly probability: number;
  /** One that fits is drawn. */
  readonly faults: readonly Fault[];
  /** Only on these operations. */
  readonly on?: OperationMatcher;
}

/** Counts of the faults that struck. */
export interface FaultCounts extends Record<FaultKind, number> {
  /** Planned for an operation that they do not fit: nothing happened. */
  unfit: number;
}

/** Fresh counts, all zero. */
export function faultCounts(): FaultCounts {
  return {
    errorBefore: 0,
    errorAfter: 0,
    shortWrite: 0,
    lostWrite: 0,
    misdirectedWrite: 0,
    lostSync: 0,
    lyingSync: 0,
    flippedBit: 0,
    delay: 0,
    unfit: 0,
  };
}

/** Whether a fault of this kind means anything to an operation of that kind. */
export function fits(fault: FaultKind, operation: OperationKind): boolean {
  switch (fault) {
    case "shortWrite":
    case "lostWrite":
    case "misdirectedWrite":
      return operation === "write";
    case "lostSync":
    case "lyingSync":
      return operation === "sync" || operation === "syncDirectory";
    case "flippedBit":
      return operation === "read";
    default:
      return true;
  }
}

interface PlanState {
  readonly planned: PlannedFault;
  matches: number;
}

/** Asked at every operation, and lists of faults are shared by many machines. */
const fittingFaults = new WeakMap<readonly Fault[], Map<OperationKind, readonly Fault[]>>();

/** The faults of one machine: those planned, then those by chance. */
export class FaultPlan {
  private plans: PlanState[] = [];
  private readonly random: SeededRandom;
  private readonly counts: FaultCounts;
  seeded: SeededFaults | undefined;

  constructor(random: SeededRandom, counts: FaultCounts, seeded: SeededFaults | undefined) {
    this.random = random;
    this.counts = counts;
    this.seeded = seeded;
  }

  /** True where no fault can strike. */
  get isEmpty(): boolean {
    return this.plans.length === 0 && this.seeded === undefined;
  }

  /** Returns what takes the plan back. */
  add(planned: PlannedFault): () => void {
    const state: PlanState = { planned, matches: 0 };
    this.plans.push(state);
    return () => {
      this.plans = this.plans.filter((other) => other !== state);
    };
  }

  clear(): void {
    this.plans = [];
    this.seeded = undefined;
  }

  /** The fault that strikes `operation`, or `null`. */
  next(operation: Operation): Fault | null {
    let fault: Fault | null = null;
    for (const plan of this.plans) {
      if (strikes(plan, operation)) fault ??= plan.planned.fault;
    }
    fault ??= this.draw(operation);
    if (fault === null) return null;
    if (!fits(fault.kind, operation.kind)) {
      this.counts.unfit++;
      return null;
    }
    this.counts[fault.kind]++;
    return fault;
  }

  private fitting(seeded: SeededFaults, kind: OperationKind): readonly Fault[] {
    let known = fittingFaults.get(seeded.faults);
    if (known === undefined) fittingFaults.set(seeded.faults, known = new Map());
    let fitting = known.get(kind);
    if (fitting === undefined) known.set(kind, fitting = seeded.faults.filter((fault) => fits(fault.kind, kind)));
    return fitting;
  }

  private draw(operation: Operation): Fault | null {
    const { seeded } = this;
    if (seeded === undefined || (seeded.on !== undefined && !matches(seeded.on, operation))) return null;
    const fitting = this.fitting(seeded, operation.kind);
    return fitting.length > 0 && this.random.chance(seeded.probability) ? this.random.pick(fitting) : null;
  }
}

function strikes(plan: PlanState, operation: Operation): boolean {
  const { operation: where, times = 1 } = plan.planned;
  if (typeof where === "number") return operation.number >= where && operation.number < where + times;
  if (!matches(where, operation)) return false;
  plan.matches++;
  const first = where.nth ?? 1;
  return plan.matches >= first && plan.matches < first + times;
}

function matches(matcher: OperationMatcher, operation: Operation): boolean {
  const { kind, path } = matcher;
  if (kind !== undefined && (typeof kind === "string" ? kind !== operation.kind : !kind.includes(operation.kind))) {
    return false;
  }
  // `search` begins at 0 even for a pattern with the flag g.
  return path === undefined || operation.path.search(path) >= 0;
}

/** Runs `operation` with its fault: answers what it answers, or throws. */
export function runWithFault(operation: Operation, fault: Fault, random: SeededRandom): unknown {
  switch (fault.kind) {
    case "errorBefore":
      throw injected(operation, fault.code, "nothing happened");
    case "errorAfter": {
      const result = operation.effect();
      operation.undo?.(result);
      throw injected(operation, fault.code, "it took effect");
    }
    case "shortWrite": {
      const bytes = shortLength(fault.bytes, operation.bytes!.length);
      operation.land!(bytes);
      throw injected(operation, fault.code, `${bytes} bytes were written`);
    }
    case "lostWrite":
      operation.node!.writeAstray(operation.bytes!, operation.position, null);
      return undefined;
    case "misdirectedWrite": {
      const astray = Math.max(0, operation.position + fault.byBytes);
      operation.node!.writeAstray(operation.bytes!, operation.position, astray);
      return undefined;
    }
    case "lostSync":
      operation.lose!();
      throw injected(operation, fault.code, "what was not durable is lost");
    case "lyingSync":
      return undefined;
    case "flippedBit":
      return flipBit(operation, fault.bit, random);
    case "delay":
      return operation.effect();
  }
}

function injected(operation: Operation, code: VfsErrorCode | undefined, state: string): Error {
  return failure(code ?? "IO", operation.kind, operation.path, `fault at operation ${operation.number}, ${state}`);
}

function shortLength(bytes: number | "half" | "allButOne", length: number): number {
  if (bytes === "half") return length >> 1;
  if (bytes === "allButOne") return Math.max(0, length - 1);
  return Math.min(bytes, length);
}

function flipBit(operation: Operation, bit: number | undefined, random: SeededRandom): unknown {
  const count = operation.effect() as number;
  if (count === 0) return count;
  const flipped = bit ?? random.below(count * 8);
  if (flipped < count * 8) operation.into![flipped >> 3] ^= 1 << (flipped & 7);
  return count;
}
