/** Reading while others write: ranges, users, times, followers, and a second log opened beside the writer. */
import { ANCHOR_NAME, anchorIdentity, readAnchor } from "../../src/anchor/anchor.ts";
import { readSlot, SLOT_BYTES, SLOT_FILE_BYTES } from "../../src/anchor/slot_file.ts";
import { LogError } from "../../src/errors.ts";
import type { EmbeddedLog } from "../../src/log/log.ts";
import type { ReadOptions } from "../../src/read/read_options.ts";
import type { LogRecord } from "../../src/read/stored_record.ts";
import { sameBytes, USERS } from "./records.ts";
import { type Companion, DIRECTORY, type Simulation } from "./simulation.ts";
import { ensure } from "./violation.ts";

/** Where a slot names its log. */
const LOG_ID_AT = 16;

/** Records that a reader got must be published: a process crash leaves them there. */
function published(sim: Simulation, writer: EmbeddedLog, shard: number, end: number, isRemote: boolean = false): void {
  // A write that took effect and reports an error is published, too.
  const { nextOffset } = writer.shards[shard];
  // The anchor may be there already while its writer does not know yet that it is.
  const written = Math.max(writer.shards[shard].written, isRemote ? anchoredEnd(sim, shard) : 0);
  if (sim.settings.profile !== "crashes" && end <= nextOffset) return;
  ensure(end <= written, () => `shard ${shard} showed a record at ${end - 1}, but only ${written} were written`);
}

/** What the newest anchor that is in its file says to be written. */
function anchoredEnd(sim: Simulation, shard: number): number {
  const content = sim.vfs.readDirectory(`${DIRECTORY}/chat-${shard}`, (name) => name === ANCHOR_NAME).get(ANCHOR_NAME);
  let end = 0;
  for (const at of [0, SLOT_FILE_BYTES / 2]) {
    const slot = content?.subarray(at, at + SLOT_BYTES);
    if (slot === undefined || slot.length < SLOT_BYTES) continue;
    const found = readSlot(slot, anchorIdentity(slot.slice(LOG_ID_AT, LOG_ID_AT + 16), shard));
    if (found !== undefined) end = Math.max(end, readAnchor(found).written.nextOffset);
  }
  return end;
}

export async function readRange(sim: Simulation): Promise<void> {
  const { id, written, earliest } = sim.anyShard();
  const from = earliest + sim.random.below(written - earliest + 1);
  const limit = sim.random.chance(0.5) ? 1 + sim.random.below(20) : undefined;
  const options = { shard: id, from, ...(limit === undefined ? {} : { limit }) };
  const records = await sim.read(sim.readAll(sim.log!, options), "read");
  if (records === undefined) return;
  const end = sim.models[id].checkRun(records, from);
  const due = Math.min(written, from + (limit ?? Infinity));
  ensure(end >= due, () => `shard ${id} read from ${from} ended at ${end}, not ${due}`);
  published(sim, sim.log!, id, end);
}

export async function readMerged(sim: Simulation): Promise<void> {
  const written = sim.log!.shards.map((shard) => shard.written);
  const starts = sim.log!.shards.map((shard) => shard.earliest);
  const last = sim.random.chance(0.5) ? 1 + sim.random.below(10) : undefined;
  const records = await sim.read(sim.readAll(sim.log!, last === undefined ? {} : { last }), "merged read");
  if (records === undefined) return;
  const areDropped = sim.log!.shards.some((shard) => shard.earliest > starts[shard.id]);
  const due = areDropped
    ? 0
    : written.reduce((sum, end) => sum + end, 0) - starts.reduce((sum, start) => sum + start, 0);
  ensure(
    records.length >= Math.min(due, last ?? due),
    () => `merged read gave ${records.length} records, not ${last ?? due}`,
  );
  const since = sim.log!.shards.reduce((sum, shard) => sum + shard.nextOffset - starts[shard.id], -due);
  ensure(records.length <= (last ?? due) + since, () => `merged read gave ${records.length} records, not ${last}`);
  for (const model of sim.models) {
    const own = records.filter((record) => record.shard === model.id);
    if (own.length === 0) continue;
    const first = own[0].offset;
    const start = starts[model.id];
    ensure(
      last !== undefined || (first >= start && first <= Math.max(start, sim.shard(model.id).earliest)),
      () => `merged read of shard ${model.id} begins at ${first}, its log start is ${start}`,
    );
    published(sim, sim.log!, model.id, model.checkRun(own, first));
  }
}

/** Newest first, and only the records of a key: the same records from the other side. */
export async function readSelected(sim: Simulation): Promise<void> {
  const shard = sim.anyShard();
  const { id, written, earliest } = shard;
  const model = sim.models[id];
  const limit = sim.random.chance(0.5) ? 1 + sim.random.below(20) : Infinity;
  const key = sim.random.chance(0.5) ? sim.random.pick(USERS) : undefined;
  const options: ReadOptions = { shard: id, reverse: true };
  if (limit !== Infinity) options.limit = limit;
  if (key !== undefined) options.where = { key };
  const records = await sim.result(sim.readAll(sim.log!, options), "reverse read");
  if (records === undefined) return;
  const found = records.map((record) => (model.check(record), record.offset));
  const bytes = new TextEncoder().encode(key);
  const isWanted = (offset: number): boolean => key === undefined || sameBytes(model.history[offset].key, bytes);
  const end = Math.max(written, (found[0] ?? -1) + 1);
  const all = model.history.map((_, offset) => offset).filter((offset) =>
    offset >= earliest && offset < end && isWanted(offset)
  );
  const due = all.toReversed().slice(0, limit);
  // What is dropped meanwhile may be there still.
  ensure(
    found.every((offset, i) => offset === due[i]) &&
      (found.length === due.length || due[found.length] < shard.earliest),
    () => `shard ${id} read backwards gave ${found}, not ${due}; it begins at ${shard.earliest}`,
  );
  if (found.length > 0) published(sim, sim.log!, id, found[0] + 1);
}

export async function readUser(sim: Simulation): Promise<void> {
  const user = sim.random.pick(USERS);
  const shard = sim.log!.shardFor(user);
  const { id, written, earliest } = shard;
  const stream = sim.log!.user(user);
  const read = async (): Promise<LogRecord[]> => {
    const records: LogRecord[] = [];
    for await (const record of stream.read()) records.push(record);
    return records;
  };
  const records = await sim.read(read(), "user read");
  if (records === undefined) return;
  const key = new TextEncoder().encode(user);
  const model = sim.models[id];
  const offsets = records.map((record) => (model.check(record), record.offset));
  // What is dropped meanwhile may be there still.
  const start = Math.max(earliest, Math.min(shard.earliest, offsets[0] ?? Infinity));
  const due = model.history.flatMap((expected, offset) =>
    offset >= start && sameBytes(expected.key, key) ? [offset] : []
  );
  ensure(
    offsets.every((offset, i) => offset === due[i]) &&
      (offsets.length === due.length || due[offsets.length] >= written),
    () => `user ${user} has offsets ${due} (written: ${written}), read was ${offsets}`,
  );
}

export async function readByTime(sim: Simulation): Promise<void> {
  const shard = sim.anyShard();
  const { id, written, earliest } = shard;
  const model = sim.models[id];
  const time = sim.clock.now() - sim.random.below(1500) + 300;
  const records = await sim.read(sim.readAll(sim.log!, { shard: id, from: new Date(time) }), "read by time");
  if (records === undefined) return;
  const findFrom = (start: number): number =>
    model.history.findIndex(({ timestamp }, offset) => offset >= start && timestamp >= time);
  let first = findFrom(earliest);
  // What is dropped meanwhile may be there still, and a part of it gone.
  const found = records[0]?.offset ?? shard.earliest;
  if (shard.earliest > earliest && found !== first) first = findFrom(Math.min(Math.max(found, earliest), shard.earliest));
  if (first >= 0 && first < written) {
    ensure(records.length > 0, () => `shard ${id} has a record of ${time} at ${first}, none was read`);
  }
  if (records.length === 0) return;
  const end = model.checkRun(records, first);
  ensure(end >= written, () => `shard ${id} read by time ended at ${end}, not ${written}`);
}

/** Reads one shard as it grows. */
class Follower implements Companion {
  readonly #sim: Simulation;
  readonly #shard: number;
  readonly #log: EmbeddedLog;
  readonly #task: Promise<void>;
  readonly #writer: EmbeddedLog;
  #next: number;
  #seen: LogRecord[] = [];
  #isLeftBehind = false;

  constructor(sim: Simulation, log: EmbeddedLog, shard: number, from: number) {
    this.#sim = sim;
    this.#shard = shard;
    this.#log = log;
    this.#writer = sim.log!;
    this.#next = from;
    this.#task = this.#run(from);
    this.#task.catch(() => {});
  }

  async #run(from: number): Promise<void> {
    try {
      await this.#follow(from);
    } catch (error) {
      const isDropped = error instanceof LogError && error.code === "OFFSET_OUT_OF_RANGE";
      if (!isDropped || this.#writer.shards[this.#shard].earliest <= from + this.#seen.length) throw error;
      this.#sim.tally.add("reading: told what was dropped");
      this.#isLeftBehind = true;
    }
  }

  async #follow(from: number): Promise<void> {
    for await (const record of this.#log.read({ shard: this.#shard, from, follow: true })) {
      published(this.#sim, this.#writer, this.#shard, record.offset + 1, this.#log !== this.#writer);
      this.#seen.push(record);
    }
  }

  async end(closed: boolean): Promise<void> {
    const sim = this.#sim;
    if (closed) await sim.result(this.#task, "follower");
    const { nextOffset, written } = this.#writer.shards[this.#shard];
    const due = sim.settings.profile === "crashes" ? written : nextOffset;
    this.#check(due);
    if (!closed) return;
    const isLocal = this.#log === this.#writer;
    ensure(
      !isLocal || this.#isLeftBehind || this.#next >= due || sim.settings.profile !== "crashes",
      () => `a follower of shard ${this.#shard} ended at ${this.#next}, but ${due} were published`,
    );
  }

  #check(due: number): void {
    this.#next = this.#sim.models[this.#shard].checkRun(this.#seen, this.#next);
    ensure(
      this.#next <= due,
      () => `a follower of shard ${this.#shard} saw ${this.#next}, but only ${due} were published`,
    );
    this.#sim.tally.add("reading: records followed", this.#seen.length);
    this.#seen = [];
  }
}

export function follow(sim: Simulation): void {
  const { id, written, earliest } = sim.anyShard();
  sim.companions.push(new Follower(sim, sim.log!, id, earliest + sim.random.below(written - earliest + 1)));
}

/** Opens the log a second time, for reading, as another process would. */
export async function openBeside(sim: Simulation): Promise<void> {
  const before = sim.log!.shards.map((shard) => shard.written);
  const beside = await sim.result(sim.open({ readOnly: true }), "opening beside the writer");
  if (beside === undefined) return;
  for (const { shard, verdict, cutBytes } of beside.recovery) {
    ensure(
      verdict !== "corrupt" && verdict !== "loss",
      () => `a reader beside the writer called shard ${shard} ${verdict}`,
    );
    ensure(cutBytes === 0 || verdict === "torn", () => `a reader says ${cutBytes} bytes were cut off shard ${shard}`);
  }
  await checkBeside(sim, beside, before);
  if (sim.random.chance(0.5)) {
    await sim.result(beside.close(), "closing beside the writer");
    return;
  }
  // It stays open: later it must have come along.
  const id = sim.random.below(sim.settings.shards);
  const follower = sim.random.chance(0.5) ? new Follower(sim, beside, id, beside.shards[id].earliest) : undefined;
  sim.companions.push({
    end: async (closed) => {
      // An anchor that could not be read counts as one that has not moved.
      const due = sim.models.map((model) => sim.settings.profile === "crashes" ? model.os : 0);
      if (closed) await checkBeside(sim, beside, due);
      await sim.settle(beside.close());
      await follower?.end(closed);
    },
  });
}

async function checkBeside(sim: Simulation, beside: EmbeddedLog, due: readonly number[]): Promise<void> {
  for (const model of sim.models) {
    const { start } = model;
    const reading = sim.readAll(beside, { shard: model.id });
    const records = await sim.read(reading, "reading beside the writer");
    if (records === undefined || sim.vfs.stopped) continue;
    const first = records[0]?.offset ?? beside.shards[model.id].earliest;
    ensure(
      first <= Math.max(start, model.asked),
      () => `a reader beside the writer begins at ${first} in shard ${model.id}, asked was ${model.asked}`,
    );
    const end = model.checkRun(records, first);
    published(sim, sim.log!, model.id, end);
    ensure(
      end >= due[model.id],
      () => `a reader beside the writer saw ${end} records of shard ${model.id}, not ${due[model.id]}`,
    );
    sim.tally.add("reading: records beside the writer", end);
  }
}
