/**
 * The state file of a shard that is being written: its epoch, its log start, and whether it was closed cleanly.
 *
 * @module
 */
import type { End } from "../anchor/end.ts";
import { SlotFile } from "../anchor/slot_file.ts";
import { fillState, type State, STATE_NAME, stateIdentity } from "../anchor/state.ts";
import type { Vfs } from "../vfs.ts";
import { takenOverError } from "./refusals.ts";

/** What it is told when it is made. */
export interface ShardStateOptions {
  readonly vfs: Vfs;
  readonly directory: string;
  readonly logId: Uint8Array;
  readonly shard: number;
  /** The state as found, or as it will be. */
  readonly state: State;
  /** The highest epoch that may stand in the file before this opening begins to write. */
  readonly stateEpoch: number;
  /** Epoch of this opening. */
  readonly epoch: number;
}

/** One call at a time. */
export class ShardState {
  /** Offsets below it are gone for good; durably so. */
  logStart: number;
  /** There is a file `trims`. */
  #hasTrims: boolean;
  /** `undefined` before this opening begins to write. */
  file: SlotFile | undefined = undefined;
  readonly #options: ShardStateOptions;
  /** Settles with the sync of a new log start. */
  #startSynced: Promise<void> = Promise.resolve();

  constructor(options: ShardStateOptions) {
    this.#options = options;
    this.logStart = options.state.logStart;
    this.#hasTrims = options.state.hasTrims;
  }

  /** @throws {LogError} `LOCKED` where another writer came since the shard was looked at. */
  async open(): Promise<void> {
    const { vfs, directory, logId, shard, stateEpoch } = this.#options;
    this.file = await SlotFile.open(vfs, `${directory}/${STATE_NAME}`, stateIdentity(logId, shard));
    if (this.file.epochFound > stateEpoch) throw takenOverError(shard);
  }

  /** Writes and syncs the epoch of this opening; with `clean`, where the shard was closed. */
  async save(clean: End | undefined): Promise<void> {
    await this.#startSynced;
    await this.#write(this.logStart, clean);
    await this.file!.sync();
  }

  /** A file `trims` is there, durably: from now on one that is missing was removed by somebody. */
  async noteTrims(): Promise<void> {
    if (this.#hasTrims) return;
    this.#hasTrims = true;
    await this.save(undefined);
  }

  /**
   * Writes a new log start and begins to sync it. Nothing is removed before {@linkcode ShardState.startSynced}. Until then nothing else
   * is written: a slot that is not durable must not be the only one beside the slot that is rewritten.
   */
  async writeStart(offset: number): Promise<void> {
    await this.#startSynced;
    await this.#write(offset, undefined);
    this.#startSynced = this.#syncStart(offset);
    this.#startSynced.catch(() => {});
  }

  /** Settles with the sync of the log start that was written last. Commits go on meanwhile. */
  get startSynced(): Promise<void> {
    return this.#startSynced;
  }

  async close(): Promise<void> {
    await this.#startSynced.catch(() => {});
    await this.file?.close();
    this.file = undefined;
  }

  async #syncStart(offset: number): Promise<void> {
    await this.file!.sync();
    this.logStart = offset;
  }

  async #write(logStart: number, clean: End | undefined): Promise<void> {
    const { epoch, state } = this.#options;
    await this.file!.write(epoch, (slot) => fillState(slot, { ...state, logStart, hasTrims: this.#hasTrims, clean }));
  }
}
