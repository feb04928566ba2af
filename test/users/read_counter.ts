/** Counts what is read, file by file. */
import { runtimeVfs } from "../../adapters/runtime.ts";
import type { Vfs, VfsFile } from "../../src/vfs.ts";

/** A file system like the runtime's own that remembers every read. */
export class ReadCounter {
  readonly reads: { path: string; bytes: number }[] = [];
  readonly vfs: Vfs;

  constructor() {
    const inner = runtimeVfs();
    this.vfs = new Proxy(inner, {
      get: (target, name) => {
        if (name === "open") return (...args: Parameters<Vfs["open"]>) => this.#open(target, args);
        const value: unknown = Reflect.get(target, name);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  }

  /** How many reads there were of files whose path matches, and of how many bytes. */
  of(path: string | RegExp): { count: number; bytes: number } {
    const own = this.reads.filter((read) => typeof path === "string" ? read.path.endsWith(path) : path.test(read.path));
    return { count: own.length, bytes: own.reduce((sum, { bytes }) => sum + bytes, 0) };
  }

  async #open(target: Vfs, args: Parameters<Vfs["open"]>): Promise<VfsFile> {
    const file = await target.open(...args);
    return {
      read: async (into, position) => {
        const bytes = await file.read(into, position);
        this.reads.push({ path: args[0], bytes });
        return bytes;
      },
      write: (from, position) => file.write(from, position),
      size: () => file.size(),
      truncate: (size) => file.truncate(size),
      sync: () => file.sync(),
      close: () => file.close(),
    };
  }
}
