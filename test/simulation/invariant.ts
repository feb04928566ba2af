/**
 * The property that makes anchor and index hints: whatever an anchor says that was ever written, or where there is none, and
 * with any index or none, the same records are recovered.
 */
import { MemoryVfs } from "../../adapters/memory.ts";
import type { LogRecord } from "../../src/read/stored_record.ts";
import { openWith } from "../../src/log/open.ts";
import { sameBytes } from "./records.ts";
import { DIRECTORY, type Simulation } from "./simulation.ts";
import { describeError, ensure, Violation } from "./violation.ts";

const VARIANTS = 3;

/** Opens the state that a crash left under several anchors and compares what is there. */
export async function checkAnchors(sim: Simulation): Promise<void> {
  const snapshot = sim.vfs.snapshot();
  const boot = (): MemoryVfs => MemoryVfs.from(snapshot, { async: false });
  const reference = await recoverOn(sim, boot(), "as it is");
  for (let variant = 0; variant < VARIANTS; variant++) {
    const vfs = boot();
    const what = changeHints(sim, vfs);
    const records = await recoverOn(sim, vfs, what);
    compare(reference, records, what);
  }
  sim.tally.add("invariant: crash states", 1);
  sim.tally.add("invariant: variants", VARIANTS);
}

/** Opens what was just recovered once more, after either crash: nothing changes. */
export async function checkTwice(sim: Simulation, reference: LogRecord[][]): Promise<void> {
  const snapshot = sim.vfs.snapshot();
  const kinds = sim.crashed === "power" ? ["process", "power"] as const : ["process"] as const;
  for (const kind of kinds) {
    const records = await recoverOn(sim, MemoryVfs.from(snapshot, { async: false }).crash(kind), `again after ${kind}`);
    compare(reference, records, `again after ${kind}`);
    sim.tally.add("invariant: recovered twice");
  }
}

/** Gives each shard another anchor, or none, and takes indexes away. Answers what it did. */
function changeHints(sim: Simulation, vfs: MemoryVfs): string {
  const { random } = sim;
  const done: string[] = [];
  for (const { id } of sim.models) {
    const path = `${DIRECTORY}/chat-${id}/anchor`;
    const versions = sim.vfs.history(path);
    const exists = vfs.paths().includes(path.slice(1));
    if (random.chance(0.2) || versions.length === 0) {
      if (exists) vfs.removeWhole(path);
      done.push(`shard ${id}: no anchor`);
    } else {
      const recent = random.chance(0.5)
        ? Math.max(0, versions.length - 1 - random.below(6))
        : random.below(versions.length);
      vfs.writeWhole(path, versions[recent]);
      done.push(`shard ${id}: anchor ${recent} of ${versions.length}`);
    }
  }
  const indexes = vfs.paths().filter((path) => path.endsWith(".idx"));
  for (const path of indexes) if (random.chance(0.3)) vfs.removeWhole(path);
  return done.join(", ");
}

async function recoverOn(sim: Simulation, vfs: MemoryVfs, what: string): Promise<LogRecord[][]> {
  vfs.clearFaults();
  const opened = await sim.settle(openWith({ ...sim.engine, vfs }, DIRECTORY, sim.settings.options));
  if ("error" in opened) throw new Violation(`recovery (${what}) failed: ${describeError(opened.error)}`);
  const log = opened.value;
  const shards: LogRecord[][] = [];
  for (const { shard, verdict } of log.recovery) {
    ensure(verdict !== "corrupt", () => `recovery (${what}) calls shard ${shard} corrupt`);
    const records = await sim.settle(sim.readAll(log, { shard }));
    if ("error" in records) throw new Violation(`recovery (${what}) cannot be read: ${describeError(records.error)}`);
    shards.push(records.value);
  }
  await sim.settle(log.close());
  return shards;
}

function compare(reference: LogRecord[][], shards: LogRecord[][], what: string): void {
  reference.forEach((records, id) => {
    const others = shards[id];
    ensure(
      records.length === others.length,
      () => `recovery (${what}) finds ${others.length} records in shard ${id}, not ${records.length}`,
    );
    records.forEach((record, i) => {
      const same = others[i].offset === record.offset && sameBytes(others[i].value, record.value) &&
        sameBytes(others[i].key, record.key) && others[i].timestamp === record.timestamp;
      ensure(same, () => `recovery (${what}) finds another record at offset ${record.offset} of shard ${id}`);
    });
  });
}
