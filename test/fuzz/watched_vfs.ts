/** A file system that fails where somebody takes more memory than a file can fill. */
import type { MemoryVfs } from "../../adapters/memory.ts";
import type { OpenFileOptions, OpenMode, Vfs, VfsFile } from "../../src/vfs.ts";

/** Reads ask for no more than this, or for what the file holds. */
const MAX_READ_BYTES = 1024 * 1024;
/** No opening, and no reading of such small files, needs so many operations. */
const MAX_OPERATIONS = 20_000;

/** Wraps `vfs`; `largest` is told the size of each buffer. */
export function watched(vfs: MemoryVfs, largest: (bytes: number) => void): Vfs {
  const watch = (file: VfsFile): VfsFile => ({
    read(into, position) {
      const bytes = file.size() as number;
      largest(into.length);
      if (into.length > Math.max(MAX_READ_BYTES, bytes)) {
        throw new Error(`a read takes ${into.length} bytes of memory for a file of ${bytes}`);
      }
      if (vfs.operations > MAX_OPERATIONS) throw new Error("it never ends");
      return file.read(into, position);
    },
    write: (from, position) => file.write(from, position),
    size: () => file.size(),
    truncate: (size) => file.truncate(size),
    sync: () => file.sync(),
    close: () => file.close(),
  });
  return {
    host: vfs.host,
    open(path: string, mode: OpenMode, options?: OpenFileOptions) {
      const file = vfs.open(path, mode, options);
      return file instanceof Promise ? file.then(watch) : watch(file);
    },
    list: (path) => vfs.list(path),
    makeDirectory: (path) => vfs.makeDirectory(path),
    remove: (path) => vfs.remove(path),
    rename: (from, to) => vfs.rename(from, to),
    syncDirectory: (path) => vfs.syncDirectory(path),
    lock: (path, mode) => vfs.lock(path, mode),
    modified: (path) => vfs.modified(path),
    freeBytes: (directory) => vfs.freeBytes(directory),
    instance: (directory) => vfs.instance(directory),
  };
}
