/**
 * Operations in flight: which of them completes next is drawn, never a matter of real time.
 *
 * @module
 */
import type { Operation } from "./operation.ts";
import type { SeededRandom } from "./random.ts";

/** So many turns without anything in flight mean that the caller waits for something else. */
const QUIET_TURNS = 64;
/** What waits for it goes on one microtask later. */
const NEXT_TURN: Promise<void> = Promise.resolve();

/** Completes operations in flight one by one, in seeded order. */
export class Scheduler {
  /** Begun and not completed, in the order they began. */
  inFlight: Operation[] = [];
  private readonly random: SeededRandom;
  private readonly complete: (operation: Operation) => unknown;
  private readonly auto: boolean;
  /** How likely a turn completes something: the lower, the more is in flight at once. */
  private readonly eagerness: number;
  private turn = 0;
  private running = false;

  constructor(random: SeededRandom, auto: boolean, complete: (operation: Operation) => unknown) {
    this.random = random;
    this.auto = auto;
    this.complete = complete;
    this.eagerness = random.pick([0.5, 0.25, 0.125]);
  }

  /** Takes an operation over and answers its promise. */
  defer(operation: Operation, delayTurns: number): Promise<unknown> {
    operation.dueTurn = this.turn + delayTurns;
    this.inFlight.push(operation);
    const answer = new Promise<unknown>((resolve, reject) => {
      operation.resolve = resolve;
      operation.reject = reject;
    });
    if (this.auto && !this.running) void this.turns();
    return answer;
  }

  /** Completes one operation. Answers false when none is in flight. */
  step(): boolean {
    if (this.inFlight.length === 0) return false;
    this.turn++;
    const due = this.due();
    if (due.length > 0) this.finish(this.random.pick(due));
    else this.finish(this.inFlight.reduce((soonest, other) => other.dueTurn < soonest.dueTurn ? other : soonest));
    return true;
  }

  /** Completes operations until none is in flight and the caller begins no more. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < QUIET_TURNS; quiet++) {
      if (this.step()) quiet = 0;
      await Promise.resolve();
    }
  }

  /** Takes everything in flight away: nothing completes any more. */
  stop(): Operation[] {
    const left = this.inFlight;
    this.inFlight = [];
    return left;
  }

  /** Those in flight that may complete now. Mostly all of them, and then no list is made. */
  private due(): readonly Operation[] {
    const { inFlight, turn } = this;
    for (const operation of inFlight) {
      if (operation.dueTurn > turn) return inFlight.filter((other) => other.dueTurn <= turn);
    }
    return inFlight;
  }

  /** A turn takes one microtask, so a caller that awaits makes progress between two completions. */
  private async turns(): Promise<void> {
    this.running = true;
    do {
      await NEXT_TURN;
      this.turn++;
      if (this.inFlight.length > 0 && this.random.chance(this.eagerness)) {
        const due = this.due();
        if (due.length > 0) this.finish(this.random.pick(due));
      }
    } while (this.inFlight.length > 0);
    this.running = false;
  }

  private finish(operation: Operation): void {
    this.inFlight.splice(this.inFlight.indexOf(operation), 1);
    try {
      operation.resolve!(this.complete(operation));
    } catch (error) {
      operation.reject!(error);
    }
  }
}
