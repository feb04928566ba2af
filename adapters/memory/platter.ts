/**
 * What a power loss leaves of one file. The model is described in `adapters/memory.ts`.
 *
 * @module
 */
import { Bytes, copyOf, cut } from "./bytes.ts";
import type { FileNode } from "./file_node.ts";
import type { CrashChoice, PowerLoss } from "./crash_model.ts";
import { CHOICES, DEFAULT_WEIGHTS, noChoices, SECTOR_BYTES } from "./crash_model.ts";
import type { SeededRandom } from "./random.ts";

const BLOCK_BYTES = 4096;

/** The page cache of whichever file is settled: one after the other, and nothing of it is kept. */
let pages = new Uint8Array(0);

/** The blocks of one file on the disk while its unsynced changes reach them, or do not. */
export class Platter {
  private readonly file: FileNode;
  private readonly loss: PowerLoss;
  private readonly random: SeededRandom;
  /** The page cache as it was after each change: what a kernel writes back is whole sectors of it. */
  private readonly cache: Uint8Array;
  private readonly disk: Uint8Array;
  /** Sectors that begin before this position hold a synced byte. */
  private readonly syncedBytes: number;
  private readonly weights: Record<CrashChoice, number>;
  private readonly weightSum: number;

  constructor(file: FileNode, loss: PowerLoss) {
    this.file = file;
    this.loss = loss;
    this.random = loss.random;
    let end = file.disk.size;
    for (const change of file.unsynced) end = Math.max(end, change.position + change.bytes.length);
    const capacity = Math.ceil(end / BLOCK_BYTES) * BLOCK_BYTES;
    this.disk = cut(capacity);
    this.disk.set(file.disk.view());
    if (pages.length < capacity) pages = new Uint8Array(2 * capacity);
    this.cache = pages.subarray(0, capacity);
    this.cache.set(this.disk);
    // The page cache shows zeros behind the size; the disk keeps what stands there until somebody writes it.
    if (file.behind !== null && file.behind.position === file.disk.size) {
      this.disk.set(file.behind.bytes.subarray(0, capacity - file.behind.position), file.behind.position);
    }
    this.syncedBytes = loss.strict ? 0 : file.disk.size;
    const { weights } = loss.model;
    this.weights = weights === undefined ? DEFAULT_WEIGHTS : { ...noChoices(), ...weights };
    this.weightSum = CHOICES.reduce((sum, choice) => sum + this.weights[choice], 0);
  }

  /** Gives the file what the disk has in the end. */
  settle(): void {
    const changes = this.file.unsynced;
    const choices = this.choose(changes.length);
    const sizes = [this.file.disk.size];
    let tornEnd = 0;
    for (let i = 0; i < changes.length; i++) {
      const { kind, position, bytes } = changes[i];
      const size = sizes[i];
      if (kind === "truncate") {
        if (position < size) {
          this.cache.fill(0, position, size);
          if (choices[i] !== "dropped") this.copySectors(position, size - position);
        }
        sizes.push(position);
        continue;
      }
      this.loss.counts.writes[choices[i]]++;
      this.cache.set(bytes, position);
      tornEnd = Math.max(tornEnd, this.apply(choices[i], position, bytes.length));
      sizes.push(Math.max(size, position + bytes.length));
    }
    const size = this.chooseSize(sizes, choices, tornEnd);
    const behind = isBlank(this.disk, size) ? null : { position: size, bytes: copyOf(this.disk.subarray(size)) };
    this.file.replace(Bytes.take(this.disk, size), behind);
  }

  /** What becomes of each change. A file that keeps or loses everything, or a prefix, is met most. */
  private choose(count: number): CrashChoice[] {
    const choices: CrashChoice[] = [];
    const mood = this.loss.model.weights === undefined ? this.random.below(8) : 8;
    const prefix = mood < 2 ? mood * count : mood < 4 ? this.random.below(count + 1) : -1;
    for (let i = 0; i < count; i++) {
      if (prefix < 0) choices.push(this.weigh());
      else if (i < prefix) choices.push("kept");
      else choices.push(i === prefix && mood >= 2 && this.weights.torn > 0 ? "torn" : "dropped");
    }
    return choices;
  }

  private weigh(): CrashChoice {
    let rest = this.random.below(1 << 20) / (1 << 20) * this.weightSum;
    for (const choice of CHOICES) {
      rest -= this.weights[choice];
      if (rest < 0) return choice;
    }
    return "kept";
  }

  /**
   * The size is metadata and reaches the disk in the order of the changes, but not together with their data:
   * the file may end before data that landed, or reach over data that did not.
   */
  private chooseSize(sizes: number[], choices: CrashChoice[], tornEnd: number): number {
    const { counts, model } = this.loss;
    let reached = sizes.length - 1;
    if (this.random.chance(model.sizeBehind ?? 0.5)) {
      const landed = choices.findIndex((choice) => choice === "dropped" || choice === "torn");
      // Most often the file ends where its data ends; else anywhere in its history.
      reached = landed >= 0 && this.random.chance(0.5) ? landed : this.random.below(sizes.length);
    }
    const changes = this.file.unsynced;
    for (let i = 0; i < changes.length; i++) {
      if (changes[i].kind !== "truncate") continue;
      if (i < reached) counts.truncates.kept++;
      else counts.truncates.undone++;
    }
    let size = sizes[reached];
    if (reached < changes.length) {
      counts.sizesBehind++;
      const next = sizes[reached + 1];
      if (next > size) {
        if (choices[reached] === "torn" && tornEnd > size && tornEnd < next) size = tornEnd;
        else if (this.random.chance(0.25)) size += this.random.below(next - size);
      }
    }
    return size;
  }

  /** Lets a write reach the disk as `choice` says. Returns where a torn one ends, else 0. */
  private apply(choice: CrashChoice, position: number, bytes: number): number {
    switch (choice) {
      case "kept":
        this.copySectors(position, bytes);
        return 0;
      case "dropped":
        return 0;
      case "torn":
        return this.tear(position, bytes);
      case "sectors":
        this.copySome(position, bytes, SECTOR_BYTES);
        return 0;
      case "blocks":
        this.copySome(position, bytes, BLOCK_BYTES);
        return 0;
      default:
        this.spoil(choice, position, bytes);
        return 0;
    }
  }

  private isProtected(sectorStart: number): boolean {
    return sectorStart < this.syncedBytes;
  }

  /** Whole sectors, since neither kernel nor disk writes less. */
  private copySectors(position: number, bytes: number): void {
    const start = floorTo(position, SECTOR_BYTES);
    const end = floorTo(position + bytes + SECTOR_BYTES - 1, SECTOR_BYTES);
    this.disk.set(this.cache.subarray(start, end), start);
  }

  private copySome(position: number, bytes: number, unit: number): void {
    for (let start = floorTo(position, unit); start < position + bytes; start += unit) {
      if (!this.random.chance(0.5)) continue;
      // A block counts from its first changed sector: the rest of it is the same on both sides or not yet due.
      const from = Math.max(start, position);
      this.copySectors(from, Math.min(start + unit, position + bytes) - from);
    }
  }

  private tear(position: number, bytes: number): number {
    const end = position + this.random.below(bytes);
    const sector = floorTo(end, SECTOR_BYTES);
    if (sector > position) this.copySectors(position, sector - position);
    if (this.isProtected(sector)) {
      if (this.random.chance(0.5)) this.copySectors(sector, 1);
    } else {
      // Strictly torn: a sector that holds synced bytes is left half new as well.
      this.disk.set(this.cache.subarray(sector, end), sector);
    }
    return end;
  }

  private spoil(choice: CrashChoice, position: number, bytes: number): void {
    for (let start = floorTo(position, SECTOR_BYTES); start < position + bytes; start += SECTOR_BYTES) {
      const draw = this.random.below(4);
      if (this.isProtected(start)) {
        if (draw < 2) this.copySectors(start, 1);
      } else if (choice === "zeros" ? draw < 3 : draw < 2) {
        this.spoilSector(choice, start);
      } else if (draw === 3) {
        this.copySectors(start, 1);
      }
    }
  }

  private spoilSector(choice: CrashChoice, start: number): void {
    const sector = this.disk.subarray(start, start + SECTOR_BYTES);
    if (choice === "zeros") sector.fill(0);
    else if (choice === "garbage") this.random.fill(sector);
    else this.showStale(sector, start);
  }

  /** Puts what once stood in the file there: bytes a truncate cut off, else a sector of another position. */
  private showStale(sector: Uint8Array, start: number): void {
    const { stale } = this.file;
    if (stale !== null && start < stale.position + stale.bytes.length && start + SECTOR_BYTES > stale.position) {
      const from = Math.max(start, stale.position);
      sector.fill(0);
      sector.set(stale.bytes.subarray(from - stale.position, start + SECTOR_BYTES - stale.position), from - start);
      return;
    }
    const other = this.random.below(this.cache.length / SECTOR_BYTES) * SECTOR_BYTES;
    sector.set(this.cache.subarray(other, other + SECTOR_BYTES));
  }
}

function isBlank(bytes: Uint8Array, from: number): boolean {
  for (let i = from; i < bytes.length; i++) if (bytes[i] !== 0) return false;
  return true;
}

function floorTo(position: number, unit: number): number {
  return position - (position % unit);
}
