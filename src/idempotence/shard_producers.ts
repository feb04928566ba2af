/**
 * The producers of one shard that is written: looks their batches up, notes them, and keeps what has to outlive the shard's opening.
 *
 * @module
 */
import { untilAborted } from "../aborting.ts";
import { ATTRIBUTES_AT, CONTROL, MAX_TIMESTAMP_AT } from "../batch/format.ts";
import { type ProducerOfBatch, readProducer } from "../batch/producer_fields.ts";
import { validateBlob } from "../batch/validate.ts";
import { readI64, readU16 } from "../bytes.ts";
import { asLogError, LogError } from "../errors.ts";
import type { Clock } from "../vfs.ts";
import { type LoadedStates, loadStates, type LoadTask } from "./load_states.ts";
import { ProducerStates, takenAt, type TakenBatch } from "./producer_states.ts";
import { encodeSnapshot } from "./snapshot.ts";
import { KEPT_SNAPSHOTS, removeSnapshotsBehind, writeSnapshot } from "./snapshot_files.ts";

/** The batch is the producer's next one. */
export const NEXT_BATCH = -1;
/** What the shard knew of its producers is being read; ask again once {@linkcode ShardProducers.loading} is over. */
export const NOT_LOADED = -2;

/** See above. Nothing is read, and nothing written, before the first batch of a producer comes. */
export class ShardProducers {
  /** Reading is under way; never rejects. */
  loading: Promise<void> | undefined = undefined;
  /** What is written has to wait for it: the note that this shard has producers. Rejects where that cannot be written. */
  noting: Promise<void> | undefined = undefined;
  readonly #task: LoadTask;
  readonly #clock: Clock;
  /** The shard had producers before it was opened. */
  readonly #hasSnapshots: boolean;
  #loaded: LoadedStates | undefined = undefined;
  /** Why reading failed; told once, then it is tried again. */
  #failure: Error | undefined = undefined;
  /** Where segments began whose snapshots wait for reading. */
  readonly #rolls: number[] = [];
  /** Offsets of the snapshots that are known to be intact, in order. */
  readonly #snapshots: number[] = [];
  /** What reads and writes snapshots does so one after the other. Never rejects. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(task: LoadTask, clock: Clock, hasSnapshots: boolean) {
    this.#task = task;
    this.#clock = clock;
    this.#hasSnapshots = hasSnapshots;
  }

  /** False where a snapshot is missing: of a producer that is not known nobody can tell whether it has written. */
  get isComplete(): boolean {
    return this.#loaded?.isComplete ?? false;
  }

  /** The last batch of a producer; `undefined` where none is known. */
  last(id: number): TakenBatch | undefined {
    return this.#loaded?.states.last(id);
  }

  /**
   * Looks a blob up whose header can be one: answers the base offset where it stands already, {@linkcode NEXT_BATCH} or
   * {@linkcode NOT_LOADED}.
   *
   * @throws {LogError} `CONFLICT` where it is out of order, `BATCH_INVALID`; why the producers cannot be read.
   */
  find(blob: Uint8Array): number {
    // A control batch is refused later, for what it is.
    if ((readU16(blob, ATTRIBUTES_AT) & CONTROL) !== 0) return NEXT_BATCH;
    const producer = readProducer(blob, 0);
    checkFields(producer);
    if (this.#loaded === undefined && !this.#load()) return NOT_LOADED;
    let found: number | undefined;
    try {
      found = this.#loaded!.states.find(producer, producer.count, this.#clock.monotonic());
    } catch (error) {
      // What is damaged says nothing about its producer.
      validateBlob(blob);
      throw error;
    }
    if (found === undefined) return NEXT_BATCH;
    validateBlob(blob);
    return found;
  }

  /** Notes a blob that was taken. `written`: exclusive end of the offsets that are written. */
  take(blob: Uint8Array, baseOffset: number, written: number): void {
    const producer = readProducer(blob, 0);
    const batch = takenAt(producer, baseOffset, readI64(blob, MAX_TIMESTAMP_AT));
    this.#loaded!.states.note(producer.id, batch, this.#clock.monotonic(), written);
  }

  /** Reads what the shard knew, unless that is done. */
  async load(): Promise<void> {
    if (this.#loaded !== undefined || this.#load()) return;
    await this.loading;
    this.#tell();
  }

  /** Resolves once nothing is being read, or rejects with the signal's reason. */
  async settle(signal?: AbortSignal): Promise<void> {
    if (this.loading !== undefined) await untilAborted(this.loading, signal);
  }

  /** Before the first write of an opening: what speaks of batches that are gone, goes too. The caller syncs the directory. */
  async begin(): Promise<void> {
    const { vfs, directory, end } = this.#task;
    if (this.#hasSnapshots) await removeSnapshotsBehind(vfs, directory, end);
  }

  /** A segment ended in front of `base`, and everything in front of it is written: the next one gets a snapshot, beside the writes. */
  rolled(base: number): void {
    if (this.#loaded !== undefined) return this.#write(base, this.#loaded.states);
    if (!this.#hasSnapshots && this.loading === undefined) return;
    this.#rolls.push(base);
    void this.#inTurn(() => this.#read());
  }

  /**
   * Before segments in front of `base` are removed: what they say of producers must stand in a snapshot that a power loss leaves.
   *
   * @returns The end of the offsets that have to be synced first: a snapshot that speaks of lost ones is void.
   * @throws {LogError} why the producers cannot be read.
   */
  async keep(base: number, shard: { readonly written: number }): Promise<number> {
    if (this.#loaded === undefined && !this.#hasSnapshots && this.loading === undefined) return 0;
    await this.load();
    await this.settled();
    const kept = this.#snapshots.find((other) => other >= base);
    if (kept !== undefined) return kept;
    // The one at the beginning of a segment could not be written: by now only the last batches in front of what is written are known.
    const { written } = shard;
    const bytes = this.#encode(written, this.#loaded!.states);
    await this.#inTurn(() => this.#put(written, bytes));
    return written;
  }

  /** Waits for what is under way. */
  async settled(): Promise<void> {
    let last: Promise<unknown>;
    do {
      last = this.#last;
      await last;
    } while (last !== this.#last);
  }

  /** What stands in front of the base is taken down at once: later on it would not be known any more. */
  #write(base: number, states: ProducerStates): void {
    const bytes = this.#encode(base, states);
    this.#inTurn(() => this.#put(base, bytes)).catch(() => {
      // A snapshot saves time: what it would say stands in the batches, until these are to be removed.
    });
  }

  async #put(base: number, bytes: Uint8Array): Promise<void> {
    const { vfs, directory } = this.#task;
    await writeSnapshot(vfs, directory, base, bytes);
    this.#snapshots.push(base);
    this.#snapshots.sort((a, b) => a - b).splice(0, this.#snapshots.length - KEPT_SNAPSHOTS);
  }

  #encode(base: number, states: ProducerStates): Uint8Array {
    const { logId, shard } = this.#task;
    return encodeSnapshot({ logId, shard, base }, states.before(base, this.#clock.monotonic()));
  }

  /** Answers true where it is done at once: a shard that was empty has nothing to be read. */
  #load(): boolean {
    this.#tell();
    const { shard, end, expiryMs } = this.#task;
    if (end.segment === 0 && end.nextOffset === 0) {
      const states = new ProducerStates(shard, expiryMs);
      this.#loaded = { states, isComplete: true, snapshot: 0 };
      for (const base of this.#rolls.splice(0)) this.#write(base, states);
      const bytes = this.#encode(0, states);
      this.noting = this.#inTurn(() => this.#put(0, bytes)).then(() => {
        this.noting = undefined;
      });
      // Whoever commits is told; nobody else waits for it.
      this.noting.catch(() => undefined);
      return true;
    }
    this.loading ??= this.#inTurn(() => this.#read()).then(() => {
      this.loading = undefined;
    });
    return false;
  }

  async #read(): Promise<void> {
    if (this.#loaded !== undefined) return;
    try {
      const loaded = await loadStates(this.#task, this.#clock.monotonic());
      // A batch came meanwhile, for which an empty shard need not wait: what is noted since is not known here.
      if (this.#loaded !== undefined) return;
      this.#loaded = loaded;
      this.#snapshots.push(loaded.snapshot);
      // Before anybody produces: no batch of this opening is among them.
      for (const base of this.#rolls.splice(0)) this.#write(base, loaded.states);
    } catch (error) {
      const { shard } = this.#task;
      this.#failure = asLogError(error, `read what producers have written to shard ${shard}`, { shard });
    }
  }

  #inTurn(task: () => Promise<void>): Promise<void> {
    const done = this.#last.then(task);
    this.#last = done.catch(() => undefined);
    return done;
  }

  /** Throws why reading failed, once. */
  #tell(): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure;
  }
}

/** Throws where the fields of a batch cannot be those of a producer. */
export function checkFields({ id, epoch, sequence }: ProducerOfBatch): void {
  if (Number.isSafeInteger(id) && epoch >= 0 && sequence >= 0) return;
  throw new LogError(
    "BATCH_INVALID",
    `Cannot append a batch: producer ${id}, epoch ${epoch}, sequence ${sequence} are out of range; build it with BatchBuilder`,
  );
}
