/** Runs one schedule from its seed: several lives of a log, each ended by a crash or a close. */
import { close, crash, describeFailure, recover } from "./lifecycle.ts";
import { CRASHES, operate } from "./operations.ts";
import { drawSettings, randomOf, type Settings } from "./settings.ts";
import { Simulation } from "./simulation.ts";
import { Tally } from "./tally.ts";
import { ensure } from "./violation.ts";

/** What came of one schedule. */
export interface ScheduleResult {
  readonly settings: Settings;
  readonly tally: Tally;
  /** What went wrong, and how to see it again; `undefined` where all is well. */
  readonly failure: string | undefined;
}

/** How a schedule is run. */
export interface ScheduleOptions {
  /** Told every step. */
  readonly trace?: (line: string) => void;
  /** Changes the frame that the seed drew: for tests of the simulation itself. */
  readonly alter?: (settings: Settings) => Settings;
}

/** Runs the schedule of `seed`. */
export async function runSchedule(seed: number, options: ScheduleOptions = {}): Promise<ScheduleResult> {
  const { trace, alter = (settings) => settings } = options;
  const random = randomOf(seed);
  const settings = alter(drawSettings(seed, random));
  const tally = new Tally();
  trace?.(`seed ${seed}: ${JSON.stringify({ ...settings, vfs: { ...settings.vfs, history: undefined } })}`);
  const sim = new Simulation(settings, random, tally, trace);
  let failure: string | undefined;
  try {
    await live(sim);
  } catch (error) {
    failure = describeFailure(seed, error);
    trace?.(error instanceof Error ? error.stack ?? error.message : String(error));
  }
  count(sim);
  return { settings, tally, failure };
}

async function live(sim: Simulation): Promise<void> {
  while (sim.operations < sim.settings.operations) {
    if (!await recover(sim)) return await giveUp(sim);
    await liveOnce(sim);
  }
  if (!await recover(sim)) return await giveUp(sim);
  await close(sim);
  const { violations } = sim.vfs;
  ensure(violations.length === 0, () => `the engine broke the file contract: ${violations[0].message}`);
}

async function giveUp(sim: Simulation): Promise<void> {
  sim.tally.add(`life: given up on a ${sim.settings.profile} disk`);
  await sim.settle(sim.log?.close() ?? Promise.resolve());
}

/** From an open log to its end. */
async function liveOnce(sim: Simulation): Promise<void> {
  const { random } = sim;
  const ending = random.below(10);
  const inTheMiddle = ending < 5;
  if (inTheMiddle) sim.crashAt(sim.vfs.operations + 1 + random.below(random.pick([40, 150])));
  for (let left = 8 + random.below(10); left > 0 && !sim.vfs.stopped; left--) await operate(sim);
  if (inTheMiddle && !sim.vfs.stopped) {
    // What is still to be written meets the crash too.
    if (random.chance(0.5)) return await close(sim);
  }
  if (ending < 8) {
    if (!sim.vfs.stopped) sim.phase = "idleness";
    await crash(sim, random.pick(CRASHES));
  } else await close(sim);
}

function count(sim: Simulation): void {
  const { tally, settings, vfs } = sim;
  const { faults, inFlight, powerLoss } = vfs.report;
  tally.add(`schedule: ${settings.profile}`);
  tally.add(`schedule: ${settings.vfs.async === false ? "answered at once" : "answered later"}`);
  tally.add("schedule: lives", sim.life);
  tally.addAll("fault", faults);
  tally.addAll("in flight at a crash", inFlight);
  tally.addAll("power loss", powerLoss);
}

/** What came of many schedules. */
export interface RunResult {
  readonly tally: Tally;
  readonly failures: readonly string[];
  readonly msPerSchedule: number;
}

/**
 * Runs `count` schedules with the seeds from `start` on, so that several processes can share the work.
 *
 * @param maxFailures Ends early after so many.
 */
export async function runSchedules(start: number, count: number, maxFailures = 5): Promise<RunResult> {
  const tally = new Tally();
  const failures: string[] = [];
  const began = performance.now();
  let done = 0;
  // Capturing stacks of the errors that are part of a schedule would cost a quarter of the time.
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  for (; done < count && failures.length < maxFailures; done++) {
    const result = await runSchedule(start + done);
    tally.merge(result.tally);
    if (result.failure !== undefined) failures.push(result.failure);
  }
  Error.stackTraceLimit = stackTraceLimit;
  return { tally, failures, msPerSchedule: (performance.now() - began) / Math.max(1, done) };
}
