/** How the life of a log ends and the next one begins: closing, crashing, recovering. */
import type { CrashKind } from "../../adapters/memory.ts";
import { LogError } from "../../src/errors.ts";
import type { EmbeddedLog } from "../../src/log/log.ts";
import type { RecoveryReport } from "../../src/log/opened_shard.ts";
import type { LogRecord } from "../../src/read/stored_record.ts";
import { checkAnchors, checkTwice } from "./invariant.ts";
import { sameBytes } from "./records.ts";
import { checkSalvage } from "./salvage.ts";
import { DIRECTORY, type Settled, type Simulation } from "./simulation.ts";
import { bytesIn, filesByShard, keptFiles, storedRecords } from "./stored.ts";
import { describeError, ensure, Violation } from "./violation.ts";

/** Closes the log as a program does that ends in peace. */
export async function close(sim: Simulation): Promise<void> {
  const log = sim.log!;
  sim.enter("close");
  // The lock is then held on, and whoever opens the log next is told so.
  if (sim.settings.profile === "errors" && sim.random.chance(0.05)) {
    sim.vfs.plan({ operation: { kind: "release" }, fault: { kind: "errorBefore" } });
  }
  sim.trace?.("close");
  sim.observe();
  await sim.result(log.close(), "close");
  if (sim.vfs.stopped) return await crash(sim);
  sim.crashAt(Infinity);
  const clean = log.shards.every((shard) => shard.state === "closed" && shard.written === shard.nextOffset);
  ensure(clean || sim.settings.profile !== "crashes", () => "the log was closed, but not all of it was written");
  sim.observe();
  if (clean && sim.settings.profile === "crashes") {
    for (const model of sim.models) model.acknowledge(model.history.length, model.history.length);
  }
  await endLife(sim, clean);
  sim.crashed = sim.settings.profile === "crashes" ? undefined : "process";
  sim.tally.add("life: closed");
}

/** A disk that does not keep its word shows it when the power goes. */
function drawCrash(sim: Simulation): CrashKind {
  return sim.random.chance(sim.isDishonest ? 0.8 : 0.5) ? "power" : "process";
}

/** Ends the life of the machine. */
export async function crash(sim: Simulation, kind: CrashKind = drawCrash(sim)): Promise<void> {
  sim.observe();
  const running = sim.vfs.inFlight;
  sim.tally.add(`crash by ${kind} in: ${sim.phase}`);
  if (running > 0) sim.tally.add("crash: with operations in flight");
  sim.trace?.(`crash ${kind} in ${sim.phase}, ${running} in flight`);
  const next = sim.vfs.crash(kind);
  if (sim.crashed !== "power") sim.crashed = kind;
  if (sim.log !== undefined) {
    // A dead process writes nothing: this only gives its memory back and ends what waits.
    await sim.settle(sim.log.close());
    await endLife(sim, false);
  }
  sim.clock.clearTimers();
  sim.vfs = next;
  sim.crashAt(Infinity);
}

async function endLife(sim: Simulation, closed: boolean): Promise<void> {
  await sim.result(Promise.all(sim.pending), "a call that was not waited for");
  sim.pending = [];
  sim.consumer = undefined;
  for (const companion of sim.companions.splice(0)) await companion.end(closed);
  sim.life++;
  sim.log = undefined;
}

/**
 * Opens the log, with crashes on the way where the seed wants some, and checks what is there.
 *
 * @returns False where a disk that does not keep its word has left nothing to go on with.
 */
export async function recover(sim: Simulation): Promise<boolean> {
  const fresh = sim.models.every((model) => model.history.length === 0);
  sim.enter(fresh ? "creation" : sim.crashed === undefined ? "opening" : "recovery");
  let crashes = sim.random.chance(fresh ? 0.05 : 0.13) ? 1 + sim.random.below(2) : 0;
  let failures = 0;
  let interrupted = 0;
  let acceptDataLoss = false;
  if (sim.settings.invariant && sim.random.chance(0.5)) await checkAnchors(sim);
  for (;;) {
    if (crashes > 0) sim.crashAt(1 + sim.random.below(fresh ? 40 : 80));
    const stopWatching = !fresh && sim.random.chance(0.08) ? crashBehindTruncate(sim) : undefined;
    const before = filesOf(sim);
    const opened: Settled<EmbeddedLog> = await sim.settle(sim.open({ ...sim.settings.options, acceptDataLoss }));
    stopWatching?.();
    if (sim.vfs.stopped) {
      crashes--;
      sim.tally.add("recovery: interrupted by a crash");
      if (sim.phase === "recovery") sim.recoveriesCrashed++;
      if (++interrupted === 2) sim.tally.add("recovery: interrupted twice");
      await crash(sim);
      continue;
    }
    if ("error" in opened) {
      sim.forgive(opened.error, sim.phase);
      if (++failures === 3) sim.vfs.clearFaults();
      const code = opened.error instanceof LogError ? opened.error.code : "";
      // Only a lock whose release failed is still held, and only the end of the process frees it.
      if (code === "LOCKED") await crash(sim, "process");
      if (code === "DATA_LOSS") acceptDataLoss = true;
      if (code === "CORRUPT_FILE" || code === "NOT_A_LOG" || code === "CONFLICT") return false;
      continue;
    }
    sim.crashAt(Infinity);
    sim.log = opened.value;
    if (!sim.isDishonest) await checkRecovered(sim, before);
    else if (!await checkSalvage(sim, acceptDataLoss, interrupted > 0)) return false;
    sim.crashed = "process";
    return true;
  }
}

/** Cuts are synced at once: by chance alone hardly any crash would come in between. */
function crashBehindTruncate(sim: Simulation): () => unknown {
  return sim.vfs.onOperation(({ kind, error }) => {
    if (kind === "truncate" && error === undefined) sim.crashAt(sim.vfs.operations + 1);
  });
}

function filesOf(sim: Simulation): Map<string, Uint8Array>[] {
  return filesByShard(sim.vfs, `${DIRECTORY}/chat-`, sim.settings.shards);
}

async function checkRecovered(sim: Simulation, before: readonly Map<string, Uint8Array>[]): Promise<void> {
  const log = sim.log!;
  const { crashed } = sim;
  const recovered: LogRecord[][] = [];
  const after = filesOf(sim);
  for (const report of log.recovery) {
    const { shard: id, verdict, cutBytes } = report;
    const shard = log.shards[id];
    sim.tally.add(`verdict after ${crashed ?? "close"}: ${verdict}`);
    sim.trace?.(
      `shard ${id} recovered: ${verdict}, ${cutBytes} bytes cut, ends at ${shard.nextOffset}, synced ${shard.synced}`,
    );
    ensure(verdict !== "corrupt", () => `a crash made shard ${id} corrupt`);
    // Retention begins with the opening, and may meet a fault at once.
    const mayFail = sim.settings.profile === "errors" && sim.settings.options.retention !== undefined;
    ensure(
      shard.state === "open" || (mayFail && shard.state === "poisoned"),
      () => `shard ${id} is ${shard.state} after a crash`,
    );
    // Where nobody knows whether the machine was rebooted, a hole before a write that never ended looks like a loss.
    const mayLose = crashed === "power" || sim.settings.vfs.unknownInstance === true;
    ensure(verdict !== "loss" || mayLose, () => `shard ${id} reports loss without a power loss`);
    ensure(crashed !== undefined || verdict === "clean", () => `shard ${id} was closed and is ${verdict}`);
    const kept = keptFiles(after[id], shard.earliest);
    const records = storedRecords(kept, id);
    const segments = [...kept.keys()].filter((name) => name.endsWith(".log")).length;
    sim.tally.add(`recovery: shards with ${segments < 3 ? segments : "3 or more"} segments`);
    recovered.push(records.filter((record) => record.offset >= shard.earliest));
    const lost = sim.models[id].recover(records, shard.earliest, crashed);
    if (shard.earliest > 0) sim.tally.add("recovery: shards with a log start");
    const end = sim.models[id].history.length;
    if (lost > 0) sim.tally.add("recovery: records lost that nobody was promised", lost);
    ensure(
      shard.written === end && shard.nextOffset === end,
      () => `shard ${id} says it ends at ${shard.written} / ${shard.nextOffset}, but its records end at ${end}`,
    );
    checkCut(report, keptFiles(before[id], shard.earliest), kept);
  }
  sim.observe();
  await readBack(sim);
  if (sim.settings.invariant) await checkTwice(sim, recovered);
}

/** The engine's own reader finds the same, mostly looking at the end of one shard only. */
async function readBack(sim: Simulation): Promise<void> {
  const isThorough = sim.random.chance(0.1);
  const first = sim.random.below(sim.models.length);
  for (const model of isThorough ? sim.models : [sim.models[first]]) {
    const { id } = model;
    const end = model.history.length;
    const wanted = isThorough ? 0 : end - sim.random.below(12);
    const { from, records } = await readShard(sim, id, wanted);
    ensure(model.checkRun(records, from) === end, () => `shard ${id} gave ${records.length} records from ${from}`);
  }
}

/** A read that fails on purpose is repeated. */
async function readShard(
  sim: Simulation,
  shard: number,
  wanted: number,
): Promise<{ from: number; records: LogRecord[] }> {
  for (let attempt = 0; attempt < 20; attempt++) {
    const from = Math.max(wanted, sim.shard(shard).earliest);
    const records = await sim.read(sim.readAll(sim.log!, { shard, from }), "reading after recovery");
    if (records !== undefined) return { from, records };
    if (attempt === 3) sim.vfs.clearFaults();
  }
  throw new Violation(`shard ${shard} cannot be read`);
}

/** The report says what is gone from the `.log` files, and it was set aside. */
function checkCut(
  report: RecoveryReport,
  before: ReadonlyMap<string, Uint8Array>,
  after: ReadonlyMap<string, Uint8Array>,
): void {
  const { shard, verdict, cutBytes, keptAside } = report;
  const isLog = (name: string): boolean => name.endsWith(".log");
  const gone = bytesIn(before, isLog) - bytesIn(after, isLog);
  ensure(
    gone >= cutBytes && (verdict === "torn" || verdict === "loss" || gone === 0),
    () => `${gone} bytes are gone from shard ${shard}, it says ${verdict} and ${cutBytes}`,
  );
  const aside = [...after].filter(([name]) => name.startsWith("quarantine-") && !before.has(name)).map(([, bytes]) =>
    bytes
  );
  const kept = aside.reduce((sum, bytes) => sum + bytes.length, 0);
  ensure(
    kept === 0 ? keptAside === undefined : keptAside !== undefined,
    () => `shard ${shard} set ${kept} bytes aside and says ${keptAside}`,
  );
  // Zeros are not worth a copy.
  for (const [name, bytes] of before) {
    if (!isLog(name)) continue;
    const rest = bytes.subarray(after.get(name)?.length ?? 0);
    const isKept = rest.every((byte) => byte === 0) || aside.some((copy) => sameBytes(copy, rest));
    ensure(isKept, () => `${rest.length} bytes cut off ${name} of shard ${shard} were not set aside`);
  }
}

/** Bun counts microtasks otherwise than Node and Deno: operations in flight complete in another order there. */
const RUNTIME = "Deno" in globalThis ? "deno run -A" : "Bun" in globalThis ? "bun" : "node";

/** An error of a schedule, with all that is needed to see it again. */
export function describeFailure(seed: number, error: unknown): string {
  const what = error instanceof Violation ? error.message : describeError(error);
  return `seed ${seed}: ${what}\n  see it again: ${RUNTIME} scripts/replay_simulation.ts ${seed}`;
}
