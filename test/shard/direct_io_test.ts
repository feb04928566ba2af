import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { runtimeVfs } from "../../adapters/runtime.ts";
import { BACKPRESSURE, type OpenOptions } from "../../mod.ts";
import { type Vfs, VfsError, type VfsFile } from "../../src/vfs.ts";
import { collect, namesIn, reopen, useDirectory } from "../helpers.ts";

const RECORDS = 20_000;
const OPTIONS: OpenOptions = { topic: "log", segmentBytes: 2_500_000, flushBytes: 200_000, batchBytes: 10_000 };

/** The runtime's files; counts the bytes written past the page cache, or refuses such files. */
class CountingVfs implements Vfs {
  directBytes = 0;
  readonly #vfs: Vfs = runtimeVfs();
  readonly #refuses: boolean;

  constructor(refuses = false) {
    this.#refuses = refuses;
  }

  host = this.#vfs.host;

  async open(...args: Parameters<Vfs["open"]>): Promise<VfsFile> {
    const direct = args[2]?.direct === true;
    if (direct && this.#refuses) throw new VfsError("UNSUPPORTED", "no direct access here", args[0]);
    const file = await this.#vfs.open(...args);
    if (!direct) return file;
    return {
      read: (into, position) => file.read(into, position),
      write: (from, position) => {
        this.directBytes += from.length;
        return file.write(from, position);
      },
      size: () => file.size(),
      truncate: (size) => file.truncate(size),
      sync: () => file.sync(),
      close: () => file.close(),
    };
  }
  list = (path: string) => this.#vfs.list(path);
  makeDirectory = (path: string) => this.#vfs.makeDirectory(path);
  remove = (path: string) => this.#vfs.remove(path);
  rename = (from: string, to: string) => this.#vfs.rename(from, to);
  syncDirectory = (path: string) => this.#vfs.syncDirectory(path);
  lock = (path: string, mode: "exclusive" | "shared") => this.#vfs.lock(path, mode);
  modified = (path: string) => this.#vfs.modified(path);
  freeBytes = (directory: string) => this.#vfs.freeBytes(directory);
  instance = (directory: string) => this.#vfs.instance(directory);
}

/** What a log consists of after two openings, appended to as fast as it takes records. */
async function contentsOf(options: OpenOptions): Promise<Map<string, Uint8Array>> {
  const contents = new Map<string, Uint8Array>();
  await useDirectory(async (directory) => {
    const value = new Uint8Array(500).fill(120);
    for (const life of [0, 1]) {
      await reopen(directory, { ...OPTIONS, ...options }, async (log) => {
        const shard = log.shard(0);
        for (let i = 0; i < RECORDS / 2; i++) {
          const record = { value, timestamp: 1000 + life * RECORDS + i };
          while (shard.tryAppend(record) === BACKPRESSURE) await shard.writable();
          if (i % 3000 === 2999) await shard.flush();
        }
      });
    }
    for (const name of namesIn(join(directory, "log-0"), ".log")) {
      contents.set(name, new Uint8Array(readFileSync(join(directory, "log-0", name))));
    }
    await reopen(directory, OPTIONS, async (log) => {
      assert.equal(log.recovery[0].verdict, "clean");
      const records = await collect(log.read({ shard: 0 }));
      assert.deepEqual(records.map(({ offset }) => offset), Array.from({ length: RECORDS }, (_, i) => i));
    });
  });
  return contents;
}

describe("direct I/O", () => {
  it("gives the same files, byte for byte, as the page cache does", async () => {
    const cached = await contentsOf({ directIo: false });
    assert.ok(cached.size > 3, "the log has several segments");
    for (const durability of ["os", "disk"] as const) {
      const vfs = new CountingVfs();
      const direct = await contentsOf({ directIo: true, durability, vfs });
      assert.deepEqual([...direct.keys()], [...cached.keys()]);
      for (const [name, bytes] of cached) assert.ok(Buffer.compare(direct.get(name)!, bytes) === 0, name);
      const total = [...cached.values()].reduce((sum, { length }) => sum + length, 0);
      // Not all: these segments are small, and each begins through the page cache until its second handle is open.
      assert.ok(vfs.directBytes > total / 3, `${vfs.directBytes} of ${total} bytes went past the page cache`);
    }
  });

  it("is not needed: a file system may refuse it", async () => {
    const cached = await contentsOf({ directIo: false });
    const refused = await contentsOf({ directIo: true, vfs: new CountingVfs(true) });
    for (const [name, bytes] of cached) assert.ok(Buffer.compare(refused.get(name)!, bytes) === 0, name);
  });

  it("is never used where it is switched off", async () => {
    const vfs = new CountingVfs();
    await contentsOf({ directIo: false, vfs });
    assert.equal(vfs.directBytes, 0);
  });

  for (const value of [1, "yes"]) {
    it(`is not switched by ${JSON.stringify(value)}`, () =>
      useDirectory(async (directory) => {
        await assert.rejects(
          reopen(directory, { directIo: value as unknown as boolean }, () => {}),
          RangeError,
        );
      }));
  }
});
