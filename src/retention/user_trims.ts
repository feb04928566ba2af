/**
 * Below which offset a user's records are hidden.
 *
 * @module
 */
import { readSlotFile } from "../anchor/slot_file.ts";
import { readState, STATE_NAME, stateIdentity } from "../anchor/state.ts";
import {
  encodeTrims,
  keyText,
  markBytes,
  MAX_TRIMS_BYTES,
  readTrims,
  readTrimsHeader,
  TRIMS_ASIDE_NAME,
  TRIMS_HEADER_BYTES,
  TRIMS_MISSING,
  TRIMS_NAME,
  type TrimsIdentity,
} from "../anchor/trims_file.ts";
import { equalBytes } from "../bytes.ts";
import { asLogError, LogError } from "../errors.ts";
import { removeIfThere, writeNew } from "../recovery/whole_file.ts";
import type { Vfs } from "../vfs.ts";

/** Puts a file that is written and synced in the place of another, durably. */
export type Replace = (from: string, to: string) => Promise<void>;

interface Batch {
  readonly changes: Map<string, number>;
  readonly saved: Promise<void>;
}

/** The marks of one shard. */
export class UserTrims {
  readonly #vfs: Vfs;
  readonly #directory: string;
  readonly #identity: TrimsIdentity;
  #marks = new Map<string, number>();
  #generation = 0;
  #fault: LogError | undefined = undefined;
  /** Of the file that the marks are from; only where somebody else writes it. */
  #header: Uint8Array | undefined = undefined;
  /** Marks that go with the next file. */
  #batch: Batch | undefined = undefined;
  #last: Promise<void> = Promise.resolve();

  constructor(vfs: Vfs, directory: string, identity: TrimsIdentity) {
    this.#vfs = vfs;
    this.#directory = directory;
    this.#identity = identity;
  }

  get isEmpty(): boolean {
    return this.#marks.size === 0 && this.#fault === undefined;
  }

  /**
   * Reads the file. A damaged one is told by whoever asks for a mark: nobody takes it for none.
   *
   * @param isExpected The state says that there is one.
   */
  async load(isExpected: boolean): Promise<void> {
    const { shard } = this.#identity;
    const found = await readTrims(this.#vfs, this.#directory, this.#identity) ??
      (isExpected ? TRIMS_MISSING : undefined);
    this.#fault = undefined;
    if (typeof found === "string") {
      const file = `${this.#directory}/${TRIMS_NAME}`;
      this.#fault = new LogError(
        "CORRUPT_FILE",
        `Cannot tell which records of a user are trimmed in shard ${shard}: ${file} is damaged: ${found}; restore it, or let ` +
          "bimiplog repair go on without it, which shows what was trimmed again",
        { shard, file },
      );
      return;
    }
    this.#marks = found?.marks ?? new Map();
    this.#generation = found?.generation ?? 0;
  }

  /** Reads the file again where somebody else has written it since; looks at its first bytes only where nobody has. */
  async refresh(): Promise<void> {
    let header = await readTrimsHeader(this.#vfs, this.#directory);
    // The state is asked first: the file was there before it said so.
    const isExpected = header === undefined && await this.#isNoted();
    if (isExpected) header = await readTrimsHeader(this.#vfs, this.#directory);
    const isMissing = isExpected && header === undefined;
    if (!isMissing && this.#fault === undefined && equalHeaders(header, this.#header)) return;
    // Not kept before the file is read: whoever fails here reads again.
    this.#header = undefined;
    await this.load(isExpected);
    if (this.#fault === undefined) this.#header = header;
  }

  async #isNoted(): Promise<boolean> {
    const { logId, shard } = this.#identity;
    const slot = await readSlotFile(this.#vfs, `${this.#directory}/${STATE_NAME}`, stateIdentity(logId, shard));
    return slot !== undefined && readState(slot).hasTrims;
  }

  /**
   * The user's records below the answer are hidden; 0 where all are seen.
   *
   * @throws {LogError} `CORRUPT_FILE`
   */
  trimOf(key: Uint8Array): number {
    if (this.#fault !== undefined) throw this.#fault;
    return this.#marks.size === 0 ? 0 : this.#marks.get(keyText(key)) ?? 0;
  }

  /**
   * Hides a user's records below `offset`; resolves once that is durable. Several users at once go with one file.
   *
   * @param logStart Marks at or below it say nothing any more, and are left out.
   */
  trim(key: Uint8Array, offset: number, logStart: () => number, replace: Replace): Promise<void> {
    if (this.#batch === undefined) {
      const changes = new Map<string, number>();
      const saved = this.#last.then(() => {
        this.#batch = undefined;
        return this.#save(changes, logStart(), replace);
      });
      this.#batch = { changes, saved };
      this.#last = saved.catch(() => {});
    }
    const { changes, saved } = this.#batch;
    const text = keyText(key);
    changes.set(text, Math.max(offset, changes.get(text) ?? 0));
    return saved;
  }

  /** Marks beyond the end of the shard, of records that are lost, must not hide others that get their offsets. */
  async clamp(end: number, replace: Replace): Promise<void> {
    const changes = new Map([...this.#marks].filter(([, offset]) => offset > end).map(([key]) => [key, end]));
    if (changes.size === 0) return;
    for (const key of changes.keys()) this.#marks.delete(key);
    await this.#save(changes, 0, replace);
  }

  async #save(changes: ReadonlyMap<string, number>, logStart: number, replace: Replace): Promise<void> {
    if (this.#fault !== undefined) throw this.#fault;
    const marks = new Map<string, number>();
    let bytes = TRIMS_HEADER_BYTES;
    for (const source of [this.#marks, changes]) {
      for (const [key, offset] of source) {
        const before = marks.get(key);
        if (offset <= logStart || (before !== undefined && before >= offset)) continue;
        if (before === undefined) bytes += markBytes(key);
        marks.set(key, offset);
      }
    }
    const { shard } = this.#identity;
    if (bytes > MAX_TRIMS_BYTES) {
      throw new LogError(
        "CONFLICT",
        `Cannot trim a user in shard ${shard}: the marks of its users would take ${bytes} bytes, ${MAX_TRIMS_BYTES} are allowed; ` +
          "trimBefore an offset, marks below it are dropped",
        { shard },
      );
    }
    const aside = `${this.#directory}/${TRIMS_ASIDE_NAME}`;
    try {
      await removeIfThere(this.#vfs, aside);
      await writeNew(this.#vfs, aside, encodeTrims(this.#identity, this.#generation + 1, marks));
      await replace(aside, `${this.#directory}/${TRIMS_NAME}`);
    } catch (error) {
      throw asLogError(error, `trim a user in shard ${shard}`, { shard });
    }
    this.#generation++;
    this.#marks = marks;
  }
}

function equalHeaders(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === b || (a !== undefined && b !== undefined && equalBytes(a, b));
}
