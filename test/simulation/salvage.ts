/**
 * A disk that does not keep its word: it says it has synced and has not, writes elsewhere, or spoils what it is rewriting. Then
 * data may be gone or damaged, but whatever is read must be right, and on a disk that is merely weak a loss must be said.
 */
import type { LogRecord } from "../../src/read/stored_record.ts";
import type { RecoveryReport } from "../../src/log/opened_shard.ts";
import type { ShardModel } from "./model.ts";
import type { Simulation } from "./simulation.ts";
import { ensure } from "./violation.ts";

/** Checks a log that was opened on such a disk. Answers false where the log can only be read from now on. */
export async function checkSalvage(
  sim: Simulation,
  isLossAccepted: boolean,
  wasInterrupted: boolean,
): Promise<boolean> {
  let isUsable = true;
  for (const report of sim.log!.recovery) {
    const model = sim.models[report.shard];
    const shard = sim.log!.shards[report.shard];
    sim.tally.add(`verdict on a ${sim.settings.profile} disk: ${report.verdict}`);
    sim.trace?.(
      `shard ${model.id} recovered: ${report.verdict}, ${report.cutBytes} bytes cut, ends at ${shard.nextOffset}`,
    );
    const readable = await readWhatIsThere(sim, model);
    checkLoss(sim, model, report, readable, isLossAccepted || wasInterrupted);
    // State and anchor may be old ones, too, and with them what they say of the end.
    const end = sim.settings.profile === "lying" ? model.longest : model.history.length;
    ensure(
      shard.nextOffset <= end,
      () => `shard ${model.id} ends at ${shard.nextOffset}, its history at ${end}`,
    );
    // A sync that never took place may be that of a log start.
    if (sim.settings.profile === "lying") model.start = Math.min(model.start, shard.earliest);
    if (shard.state !== "open" || readable < shard.nextOffset) isUsable = false;
    else {
      model.forget(shard.nextOffset);
      model.begins(shard.earliest);
    }
  }
  return isUsable;
}

/** Reads a shard past all damage, and checks every record. Answers the exclusive end of what is there without a gap. */
async function readWhatIsThere(sim: Simulation, model: ShardModel): Promise<number> {
  let gaps = 0;
  const options = { shard: model.id, onCorrupt: "skip", onGap: () => gaps++ } as const;
  let end = 0;
  let records: LogRecord[] | undefined;
  // Retention may be faster than the reader.
  for (let left = 20; left > 0 && (records === undefined || end < sim.shard(model.id).earliest); left--) {
    end = sim.shard(model.id).earliest;
    gaps = 0;
    records = await sim.read(sim.readAll(sim.log!, options), "reading past damage");
  }
  let last = -1;
  for (const record of records ?? []) {
    ensure(record.offset > last, () => `shard ${model.id} gave offset ${record.offset} behind ${last}`);
    if (gaps > 0 && model.wasThere(record)) sim.tally.add("reading: records of before a loss");
    else if (!model.holds(record) && sim.settings.profile === "lying" && model.comesBack(record)) {
      sim.tally.add("reading: lost records that came back on a lying disk");
    } else model.check(record);
    last = record.offset;
    if (end === record.offset) end++;
  }
  sim.tally.add(`reading: gaps on a ${sim.settings.profile} disk`, gaps);
  return end;
}

function checkLoss(
  sim: Simulation,
  model: ShardModel,
  { verdict }: RecoveryReport,
  readable: number,
  isTold: boolean,
): void {
  if (sim.settings.profile !== "weak" || readable >= model.floor(sim.crashed)) return;
  sim.tally.add(`loss on a weak disk: ${verdict === "corrupt" ? "left as it is" : "cut off"}`);
  // An opening that was interrupted, or that asked for consent, has cut the tail, and knew why.
  ensure(
    isTold || verdict !== "clean",
    () => `shard ${model.id} lost records from ${readable} to ${model.floor(sim.crashed) - 1} and says nothing`,
  );
}
