/**
 * A file system that passes everything on and counts the bytes that are written.
 *
 * @module
 */
import type {
  DirectoryEntry,
  Host,
  Instance,
  MaybePromise,
  OpenFileOptions,
  OpenMode,
  Vfs,
  VfsFile,
  VfsLock,
} from "../src/vfs.ts";

/** Counts by the end of the file's name: `log`, `idx`, or a whole name without a dot, such as `anchor`. */
export class CountingVfs implements Vfs {
  readonly host: Host;
  readonly #inner: Vfs;
  readonly #bytes: Map<string, number> = new Map();

  constructor(inner: Vfs) {
    this.#inner = inner;
    this.host = inner.host;
  }

  /** Bytes written to files of a kind since the last {@linkcode CountingVfs.reset}. */
  bytes(kind: string): number {
    return this.#bytes.get(kind) ?? 0;
  }

  reset(): void {
    this.#bytes.clear();
  }

  async open(path: string, mode: OpenMode, options?: OpenFileOptions): Promise<VfsFile> {
    const file = await this.#inner.open(path, mode, options);
    const kind = path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf(".")) + 1);
    return {
      read: (into, position) => file.read(into, position),
      write: (from, position) => {
        this.#bytes.set(kind, this.bytes(kind) + from.length);
        return file.write(from, position);
      },
      size: () => file.size(),
      truncate: (size) => file.truncate(size),
      sync: () => file.sync(),
      close: () => file.close(),
    };
  }

  list(path: string): MaybePromise<DirectoryEntry[]> {
    return this.#inner.list(path);
  }

  makeDirectory(path: string): MaybePromise<void> {
    return this.#inner.makeDirectory(path);
  }

  remove(path: string): MaybePromise<void> {
    return this.#inner.remove(path);
  }

  rename(from: string, to: string): MaybePromise<void> {
    return this.#inner.rename(from, to);
  }

  syncDirectory(path: string): MaybePromise<void> {
    return this.#inner.syncDirectory(path);
  }

  lock(path: string, mode: "exclusive" | "shared"): MaybePromise<VfsLock> {
    return this.#inner.lock(path, mode);
  }

  modified(path: string): MaybePromise<number> {
    return this.#inner.modified(path);
  }

  freeBytes(directory: string): MaybePromise<number> {
    return this.#inner.freeBytes(directory);
  }

  instance(directory: string): MaybePromise<Instance> {
    return this.#inner.instance(directory);
  }
}
