/**
 * The file in which a consumer's next offsets stand. One writer at a time: whoever holds the consumer's lock.
 *
 * @module
 */
import { LogError } from "../errors.ts";
import { openIfThere } from "../if_there.ts";
import type { Rung } from "../options.ts";
import { replaceWhole } from "../recovery/whole_file.ts";
import type { Vfs, VfsFile } from "../vfs.ts";
import {
  BLOCK_BYTES,
  BLOCK_SHARDS,
  blockCount,
  type CursorIdentity,
  decodeBlock,
  encodeCursor,
  encodeSlot,
  slotPosition,
} from "./cursor_slots.ts";
import { cursorFileName } from "./names.ts";

/** Where a block is written next, and as which generation. */
interface BlockState {
  next: number;
  generation: number;
  /** Both slots count. */
  isWhole: boolean;
}

/** A consumer's stored offsets. */
export interface StoredCursor {
  readonly name: string;
  /** Next offset by shard. */
  readonly offsets: readonly number[];
}

/** See above. */
export class CursorFile {
  readonly path: string;
  readonly #file: VfsFile;
  readonly #identity: CursorIdentity;
  readonly #blocks: readonly BlockState[];
  #offsets: number[];

  private constructor(
    path: string,
    file: VfsFile,
    identity: CursorIdentity,
    blocks: readonly BlockState[],
    offsets: number[],
  ) {
    this.path = path;
    this.#file = file;
    this.#identity = identity;
    this.#blocks = blocks;
    this.#offsets = offsets;
  }

  /** Next offset by shard, as they stand in the file. */
  get offsets(): readonly number[] {
    return this.#offsets;
  }

  /**
   * Opens a consumer's file; `undefined` where there is none.
   *
   * @throws {LogError} `CORRUPT_FILE` where no copy of a block counts, or the file is another log's; `CONFLICT` where it is another consumer's.
   */
  static async open(vfs: Vfs, directory: string, identity: CursorIdentity): Promise<CursorFile | undefined> {
    const path = `${directory}/${cursorFileName(identity.name)}`;
    const file = await openIfThere(vfs, path, "write");
    if (file === undefined) return undefined;
    try {
      const { name, offsets, blocks } = await readBlocks(file, path, identity);
      if (name !== identity.name) {
        throw new LogError(
          "CONFLICT",
          `Cannot open the consumer ${identity.name}: its file ${path} is that of the consumer ${name}; choose another name`,
          { file: path },
        );
      }
      const cursor = new CursorFile(path, file, identity, blocks, offsets);
      await cursor.#mend();
      return cursor;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Creates a consumer's file, durable at once: it is there whole or not at all. */
  static async create(
    vfs: Vfs,
    directory: string,
    identity: CursorIdentity,
    offsets: readonly number[],
  ): Promise<CursorFile> {
    const path = `${directory}/${cursorFileName(identity.name)}`;
    await replaceWhole(vfs, path, `${path}.tmp`, encodeCursor(identity, offsets));
    await vfs.syncDirectory(directory);
    const file = await vfs.open(path, "write");
    const blocks = Array.from(
      { length: blockCount(identity.shards) },
      () => ({ next: 0, generation: 2, isWhole: true }),
    );
    return new CursorFile(path, file, identity, blocks, [...offsets]);
  }

  /**
   * Writes what differs. Where an offset goes back, both copies are written: the older one would skip records if it ever counted.
   *
   * @param twice Both copies in any case.
   */
  async write(offsets: readonly number[], rung: Rung, twice: boolean = false): Promise<void> {
    let second = false;
    const changed: number[] = [];
    for (let block = 0; block < this.#blocks.length; block++) {
      const from = block * BLOCK_SHARDS;
      let differs = false;
      for (let shard = from; shard < Math.min(from + BLOCK_SHARDS, offsets.length); shard++) {
        if (offsets[shard] !== this.#offsets[shard]) differs = true;
        if (offsets[shard] < this.#offsets[shard]) second = true;
      }
      if (differs) changed.push(block);
    }
    if (changed.length === 0) return;
    this.#offsets = [...offsets];
    for (let copy = 0; copy < (second || twice ? 2 : 1); copy++) {
      for (const block of changed) await this.#writeSlot(block);
      if (rung === "disk") await this.#file.sync();
    }
  }

  async sync(): Promise<void> {
    await this.#file.sync();
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  /** A copy that a killed process left half written is made whole before the other one is touched: a power loss may bring it back. */
  async #mend(): Promise<void> {
    const damaged = this.#blocks.flatMap(({ isWhole }, block) => isWhole ? [] : [block]);
    for (const block of damaged) await this.#writeSlot(block);
    if (damaged.length > 0) await this.#file.sync();
  }

  async #writeSlot(block: number): Promise<void> {
    const state = this.#blocks[block];
    const slot = encodeSlot(this.#identity, block, this.#offsets, state.generation + 1);
    const done = this.#file.write(slot, slotPosition(block, state.next));
    if (done instanceof Promise) await done;
    state.generation++;
    state.isWhole = true;
    state.next = 1 - state.next;
  }
}

/** Reads a consumer's file without opening it for writing; `undefined` where there is none. */
export async function readCursor(
  vfs: Vfs,
  path: string,
  log: Pick<CursorIdentity, "logId" | "shards">,
): Promise<StoredCursor | undefined> {
  const file = await openIfThere(vfs, path, "read");
  if (file === undefined) return undefined;
  try {
    return await readBlocks(file, path, log);
  } finally {
    await file.close();
  }
}

async function readBlocks(
  file: VfsFile,
  path: string,
  { logId, shards }: Pick<CursorIdentity, "logId" | "shards">,
): Promise<{ name: string; offsets: number[]; blocks: BlockState[] }> {
  const offsets: number[] = [];
  const blocks: BlockState[] = [];
  let name: string | undefined;
  const buffer = new Uint8Array(BLOCK_BYTES);
  for (let block = 0; block < blockCount(shards); block++) {
    const content = buffer.subarray(0, await file.read(buffer, block * BLOCK_BYTES));
    const decoded = decodeBlock(content, logId, block);
    const fault = typeof decoded === "string"
      ? decoded
      : decoded.shards !== shards || (name !== undefined && decoded.name !== name)
      ? "it belongs to another log or consumer"
      : undefined;
    if (typeof decoded === "string" || fault !== undefined) throw damaged(path, block, fault!);
    name = decoded.name;
    offsets.push(...decoded.offsets);
    blocks.push({ next: 1 - decoded.index, generation: decoded.generation, isWhole: decoded.isWhole });
  }
  return { name: name!, offsets, blocks };
}

function damaged(path: string, block: number, fault: string): LogError {
  return new LogError(
    "CORRUPT_FILE",
    `Cannot read the stored offsets in ${path}: neither copy counts (${fault}); restore the file from a copy, or say anew where ` +
      "the consumer goes on: bimiplog consumers DIR --reset NAME --to earliest|latest|OFFSET --yes",
    { file: path, position: slotPosition(block, 0) },
  );
}
