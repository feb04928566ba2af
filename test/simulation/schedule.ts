/** Runs one schedule from its seed: several lives of a log, each ended by a crash or a close. */
import process from "node:process";
import { close, crash, describeFailure, recover } from "./lifecycle.ts";
import { operate, operateAndCrash } from "./operations.ts";
import { drawSettings, randomOf, type Settings } from "./settings.ts";
import { Simulation } from "./simulation.ts";
import { Tally } from "./tally.ts";
import { ensure } from "./violation.ts";

/** What came of one schedule. */
export interface ScheduleResult {
  readonly settings: Settings;
  readonly tally: Tally;
  /** Done on the log. */
  readonly operations: number;
  /** What went wrong, and how to see it again; `undefined` where all is well. */
  readonly failure: string | undefined;
}

/** How a schedule is run. */
export interface ScheduleOptions {
  /** Told every step. */
  readonly trace?: (line: string) => void;
  /** Changes the frame that the seed drew: for tests of the simulation itself. */
  readonly alter?: (settings: Settings) => Settings;
  /**
   * Counts what happens.
   *
   * @default a new one
   */
  readonly tally?: Tally;
}

/** Runs the schedule of `seed`. */
export async function runSchedule(seed: number, options: ScheduleOptions = {}): Promise<ScheduleResult> {
  const { trace, alter = (settings) => settings, tally = new Tally() } = options;
  const random = randomOf(seed);
  const settings = alter(drawSettings(seed, random));
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
  return { settings, tally, operations: sim.operations, failure };
}

async function live(sim: Simulation): Promise<void> {
  while (sim.operations < sim.settings.operations) {
    if (await recover(sim)) await liveOnce(sim);
    else await giveUp(sim);
  }
  if (await recover(sim)) {
    await close(sim);
    checkContract(sim);
  } else await giveUp(sim);
}

function checkContract(sim: Simulation): void {
  const { violations } = sim.vfs;
  ensure(violations.length === 0, () => `the engine broke the file contract: ${violations[0].message}`);
}

/** Nothing more can be written to this log: the schedule goes on with another one, on an empty disk. */
async function giveUp(sim: Simulation): Promise<void> {
  sim.tally.add(`life: given up on a ${sim.settings.profile} disk`);
  await sim.settle(sim.log?.close() ?? Promise.resolve());
  checkContract(sim);
  countMachine(sim);
  sim.startOver();
}

/** From an open log to its end. */
async function liveOnce(sim: Simulation): Promise<void> {
  const { random } = sim;
  const ending = random.below(10);
  const inTheMiddle = ending < 6;
  const isPointed = ending < 3;
  if (inTheMiddle && !isPointed) sim.crashAt(sim.vfs.operations + 1 + random.below(random.pick([150, 500])));
  const left = sim.settings.operations - sim.operations;
  const end = sim.operations + Math.min(left, 30 + random.below(16));
  while (sim.operations < end && !sim.vfs.stopped) await operate(sim);
  if (isPointed) await operateAndCrash(sim);
  else if (inTheMiddle && !sim.vfs.stopped) {
    // What is still to be written meets the crash too.
    if (random.chance(0.5)) return await close(sim);
  }
  if (ending < 8) {
    if (!sim.vfs.stopped) sim.enter("idleness");
    await crash(sim);
  } else await close(sim);
}

function count(sim: Simulation): void {
  const { tally, settings } = sim;
  tally.add(`schedule: ${settings.profile}`);
  tally.add(`schedule: ${settings.vfs.async === false ? "answered at once" : "answered later"}`);
  tally.add("schedule: lives", sim.life);
  if (sim.recoveriesCrashed > 0) tally.add("schedule: with a crash inside recovery");
  countMachine(sim);
}

/** Adds up what the simulated machine did. */
function countMachine(sim: Simulation): void {
  const { tally, vfs } = sim;
  sim.countFaults();
  tally.addAll("in flight at a crash", vfs.report.inFlight);
  tally.addAll("power loss", vfs.report.powerLoss);
}

/** What came of many schedules. */
export interface RunResult {
  readonly tally: Tally;
  readonly schedules: number;
  readonly failures: readonly string[];
  /** Of one schedule. */
  readonly fewestOperations: number;
  /** Of one schedule. */
  readonly fewestShards: number;
  /** Of the processor, on all threads. */
  readonly cpuMs: number;
}

/** Which seeds a run takes, so that several processes can share the work. */
export interface Seeds {
  readonly first: number;
  readonly count: number;
  /** @default {1} */
  readonly step?: number;
}

/** A run ends early after so many; one tells whether there is a mistake at all. */
const MAX_FAILURES = Number(process.env.SIMULATION_FAILURES ?? 5);

/**
 * Runs a schedule for each seed.
 *
 * @param goesOn Told after every schedule how many are done; false ends the run.
 */
export async function runSchedules(seeds: Seeds, goesOn: (done: number) => boolean = () => true): Promise<RunResult> {
  const { first, count, step = 1 } = seeds;
  const tally = new Tally();
  const failures: string[] = [];
  const began = process.cpuUsage();
  let fewestOperations = Infinity;
  let fewestShards = Infinity;
  let schedules = 0;
  // Capturing stacks of the errors that are part of a schedule would cost a quarter of the time.
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  while (schedules < count && failures.length < MAX_FAILURES) {
    const result = await runSchedule(first + schedules * step, { tally });
    schedules++;
    if (result.failure !== undefined) failures.push(result.failure);
    else fewestOperations = Math.min(fewestOperations, result.operations);
    fewestShards = Math.min(fewestShards, result.settings.shards);
    if (!goesOn(schedules)) break;
  }
  Error.stackTraceLimit = stackTraceLimit;
  const { user, system } = process.cpuUsage(began);
  return { tally, schedules, failures, fewestOperations, fewestShards, cpuMs: (user + system) / 1000 };
}
