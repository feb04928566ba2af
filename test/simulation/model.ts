/** What a shard must hold, known from what was appended, acknowledged and survived. */
import type { LogRecord } from "../../src/read/stored_record.ts";
import type { CrashKind } from "../../adapters/memory.ts";
import { Consumed } from "./consuming.ts";
import type { Produced } from "./producing.ts";
import { difference, type Expected } from "./records.ts";
import { ensure } from "./violation.ts";

/** One shard's history as the appender knows it. Places in it are offsets. */
export class ShardModel {
  readonly id: number;
  /** Records taken, in order; after a crash only those that survived. */
  history: Expected[] = [];
  /** Exclusive end of what survives the end of the process. */
  os = 0;
  /** Exclusive end of what survives a power loss. */
  disk = 0;
  /** The log start, as far as somebody was told: records below it are of no interest. */
  start = 0;
  /** The highest log start that anybody has asked for. */
  asked = 0;
  /** The longest that the history ever was. */
  longest = 0;
  /** What producers have appended, by id; after a crash only what survived. */
  readonly produced: Map<number, Produced[]> = new Map();
  /** What is known of the consumer's place in it. */
  readonly consumed: Consumed = new Consumed();
  /** What stood at an offset before it was lost, and taken by another record. */
  readonly #before = new Map<number, Expected[]>();

  constructor(id: number) {
    this.id = id;
  }

  /** The shard took a record and answered `offset`. */
  take(offset: number, expected: Expected): void {
    ensure(offset === this.history.length, () => `shard ${this.id} gave offset ${offset}, not ${this.history.length}`);
    this.history.push(expected);
    this.longest = Math.max(this.longest, this.history.length);
  }

  /** The shard says how far it is: exclusive ends. */
  acknowledge(written: number, synced: number): void {
    const taken = this.history.length;
    ensure(written <= taken, () => `shard ${this.id} says written ${written}, but took ${taken} records`);
    ensure(synced <= taken, () => `shard ${this.id} says synced ${synced}, but took ${taken} records`);
    if (written > this.os) this.os = written;
    if (synced > this.disk) this.disk = synced;
    if (this.disk > this.os) this.os = this.disk;
  }

  /** The shard says where it begins. */
  begins(start: number): void {
    ensure(start >= this.start, () => `shard ${this.id} begins at ${start}, and had begun at ${this.start}`);
    ensure(start <= this.asked, () => `shard ${this.id} begins at ${start}, nobody asked for more than ${this.asked}`);
    this.start = start;
  }

  /** What a crash of this kind must leave: an exclusive end. */
  floor(crash: CrashKind | undefined): number {
    return crash === "power" ? this.disk : crash === "process" ? this.os : this.history.length;
  }

  /** True where a record is the one at its offset. */
  holds(record: LogRecord): boolean {
    const expected = this.history[record.offset];
    return expected !== undefined && difference(record, expected) === undefined;
  }

  /** A record was read: it must be the one at its offset. */
  check(record: LogRecord): void {
    const { offset } = record;
    ensure(record.shard === this.id, () => `shard ${this.id} gave a record of shard ${record.shard}`);
    ensure(
      offset < this.history.length,
      () => `shard ${this.id} gave a record at offset ${offset}, its history ends at ${this.history.length}`,
    );
    const field = difference(record, this.history[offset]);
    ensure(field === undefined, () => `shard ${this.id} gave a wrong ${field} at offset ${offset}`);
  }

  /**
   * True where a record stood at its offset before a loss. Only past damage, on a disk that shows again what it held before: where header
   * and index of what came in its place are gone, it is as good a continuation as any.
   */
  wasThere(record: LogRecord): boolean {
    return this.#former(record) !== undefined;
  }

  /**
   * A record that was lost is there again, where the history ends or instead of another one: on a disk that does not keep what it says it
   * has synced, such as the offset at which a new epoch began. Answers whether it is one.
   */
  comesBack(record: LogRecord): boolean {
    const former = this.#former(record);
    if (former === undefined || record.offset > this.history.length) return false;
    this.history[record.offset] = former;
    return true;
  }

  #former(record: LogRecord): Expected | undefined {
    return this.#before.get(record.offset)?.find((former) => difference(record, former) === undefined);
  }

  /**
   * Records were read in this order: each must continue the one before.
   *
   * @param from The first offset there must be.
   * @returns Exclusive end of what was read.
   */
  checkRun(records: readonly LogRecord[], from: number): number {
    for (const record of records) {
      ensure(record.offset === from, () => `shard ${this.id} gave offset ${record.offset}, not ${from}`);
      this.check(record);
      from++;
    }
    return from;
  }

  /**
   * The shard was opened again and holds `records`: checks that they are the history from the log start to an end that is late enough,
   * and forgets the rest.
   *
   * @param start The log start that was found.
   * @param crash The worst crash since it was open; `undefined` after a clean close.
   * @returns How many records vanished.
   */
  recover(records: readonly LogRecord[], start: number, crash: CrashKind | undefined): number {
    this.begins(start);
    this.asked = start;
    const first = records[0]?.offset ?? start;
    ensure(first <= start, () => `shard ${this.id} begins at ${start}, but its records at ${first}`);
    const end = this.checkRun(records, first);
    ensure(end >= start, () => `shard ${this.id} begins at ${start}, behind its end ${end}`);
    const floor = this.floor(crash);
    ensure(end >= floor, () => {
      const rung = crash === "power" ? "disk" : crash === "process" ? "os" : "close";
      return `shard ${this.id} lost records ${end} to ${floor - 1}, which were acknowledged (${rung})`;
    });
    const lost = this.history.length - end;
    this.forget(end);
    this.consumed.recover(end, crash);
    return lost;
  }

  /** Only what is before `end` survived. */
  forget(end: number): void {
    for (let offset = end; offset < this.history.length; offset++) {
      const former = this.#before.get(offset);
      if (former === undefined) this.#before.set(offset, [this.history[offset]]);
      else former.push(this.history[offset]);
    }
    this.history.length = end;
    for (const batches of this.produced.values()) {
      while (batches.length > 0 && batches[batches.length - 1].base >= end) batches.pop();
    }
    this.os = end;
    if (this.disk > end) this.disk = end;
    if (this.start > end) this.start = end;
  }
}
