/**
 * A simulated file: what the page cache holds, what the disk holds, and the ordered changes between the two.
 *
 * @module
 */
import { Bytes } from "./bytes.ts";

/** One completed write or truncate that no sync has covered yet. Never changed, so snapshots share it. */
export interface FileChange {
  readonly kind: "write" | "truncate";
  /** Counts the changes of this file, so that a sync takes only those that completed before it began. */
  readonly sequence: number;
  /** Where the write begins, or the size that the truncate leaves. */
  readonly position: number;
  readonly bytes: Uint8Array;
}

/** Bytes that are no part of a file any more, or not yet, and that a disk may show. */
export interface StaleBytes {
  readonly position: number;
  readonly bytes: Uint8Array;
}

/** The kernel writes back on its own after a while; here after this many changes, which bounds memory too. */
const MAX_UNSYNCED_CHANGES = 4096;
const MAX_STALE_BYTES = 1 << 20;
const NOTHING = new Uint8Array(0);
/** What a simulated clock begins with. */
export const START_MS = 1_700_000_000_000;

/** An inode of a file. Names and handles point at it; it outlives both. */
export class FileNode {
  readonly kind = "file";
  /** What reads see. */
  cache: Bytes;
  /** What a power loss cannot take: everything that a sync has covered. */
  disk: Bytes;
  unsynced: FileChange[] = [];
  /** Changes so far. */
  changes = 0;
  /** What a truncate cut off: it may show again in blocks that are used anew. */
  stale: StaleBytes | null = null;
  /** What stands on the disk behind the size: data that got there before the size that covers it. */
  behind: StaleBytes | null = null;
  /** When its content last changed, in milliseconds since 1970. */
  modifiedMs: number = START_MS;
  /** Receives each new content of a file whose history is kept. */
  versions: Uint8Array[] | null = null;

  constructor(content: Bytes = Bytes.empty()) {
    this.disk = content;
    this.cache = content.share();
  }

  /**
   * Takes `bytes` over: they stay unchanged from here on.
   *
   * @param count The disk may get so many of them; less than all, or none, where the write is still in flight.
   */
  write(bytes: Uint8Array, position: number, count: number = bytes.length): void {
    if (bytes.length === 0) return;
    this.cache.write(bytes, position);
    if (count > 0) this.remember("write", count < bytes.length ? bytes.subarray(0, count) : bytes, position);
    this.versions?.push(this.cache.copy());
  }

  /** A write that reads see and the disk gets elsewhere, or nowhere when `diskPosition` is `null`. */
  writeAstray(bytes: Uint8Array, position: number, diskPosition: number | null): void {
    if (bytes.length === 0) return;
    this.cache.write(bytes, position);
    if (diskPosition !== null) this.remember("write", bytes, diskPosition);
    this.versions?.push(this.cache.copy());
  }

  truncate(size: number): void {
    if (size === this.cache.size) return;
    const cut = this.cache.size - size;
    if (cut > 0 && cut <= MAX_STALE_BYTES) {
      this.stale = { position: size, bytes: this.cache.view().slice(size) };
    }
    this.cache.resize(size);
    this.remember("truncate", NOTHING, size);
    this.versions?.push(this.cache.copy());
  }

  /** Makes durable every change before `mark`, the value of `changes` when the sync began. */
  sync(mark: number): void {
    const covered = this.countBefore(mark);
    if (covered > 0) this.writeBack(covered);
  }

  /**
   * The sync failed and the kernel marked the pages clean: reads still see the writes, but no later sync brings
   * them to the disk. A truncate is in the journal, not in a page, and stays to be synced.
   */
  loseUnsynced(mark: number): void {
    this.unsynced = this.unsynced.filter((change) => change.kind === "truncate" || change.sequence >= mark);
  }

  /** Gives the file a new content that is durable at once, and what the disk holds behind it. */
  replace(content: Bytes, behind: StaleBytes | null = null): void {
    this.disk = content;
    this.cache = content.share();
    this.unsynced = [];
    this.behind = behind;
  }

  clone(): FileNode {
    const copy = new FileNode(this.disk.share());
    copy.cache = this.cache.share();
    copy.unsynced = this.unsynced.slice();
    copy.changes = this.changes;
    copy.stale = this.stale;
    copy.behind = this.behind;
    copy.modifiedMs = this.modifiedMs;
    return copy;
  }

  private remember(kind: "write" | "truncate", bytes: Uint8Array, position: number): void {
    this.unsynced.push({ kind, sequence: this.changes++, position, bytes });
    if (this.unsynced.length > MAX_UNSYNCED_CHANGES) this.writeBack(MAX_UNSYNCED_CHANGES / 2);
  }

  private countBefore(mark: number): number {
    let count = 0;
    while (count < this.unsynced.length && this.unsynced[count].sequence < mark) count++;
    return count;
  }

  private writeBack(count: number): void {
    // Whole pages go out, zeroed behind the size.
    this.behind = null;
    for (let i = 0; i < count; i++) {
      const change = this.unsynced[i];
      if (change.kind === "write") this.disk.write(change.bytes, change.position);
      else this.disk.resize(change.position);
    }
    if (count === this.unsynced.length) this.unsynced = [];
    else this.unsynced.splice(0, count);
  }
}
