/** What a program does with a log, each under a fault at every one of its file operations. */
import type { MemorySnapshot, MemoryVfs } from "../../adapters/memory.ts";
import type { OpenOptions } from "../../src/options.ts";
import { openOn, OPTIONS, shardFile } from "./engine.ts";

/** Options of all scenarios. */
export const SETTINGS: OpenOptions = { ...OPTIONS, shards: 1 };

/** What was promised so far. */
export class Promises {
  /** Offsets whose acknowledgement came, in order, with their values. */
  readonly acknowledged: Map<number, string> = new Map();
  /** Everything that was handed in, acknowledged or not. */
  readonly offered: Map<number, string[]> = new Map();

  /** Records below it were dropped, by somebody who was told so. */
  start: number = 0;
  /** Records from here on were never to be dropped. */
  asked: number = 0;

  copy(): Promises {
    const copy = new Promises();
    copy.start = this.start;
    copy.asked = this.asked;
    for (const [offset, value] of this.acknowledged) copy.acknowledged.set(offset, value);
    for (const [offset, values] of this.offered) copy.offered.set(offset, [...values]);
    return copy;
  }

  offer(offset: number, value: string): void {
    const values = this.offered.get(offset) ?? [];
    values.push(value);
    this.offered.set(offset, values);
  }
}

/** A machine to begin with, and what the program does on it. */
export interface Scenario {
  readonly name: string;
  readonly start: MemorySnapshot;
  /** What was acknowledged before. */
  readonly promises: Promises;
  /** Acknowledged here means synced: it must survive a power loss, too. */
  readonly isDurable?: boolean;
  /** Throws what the log throws. */
  run(vfs: MemoryVfs, promises: Promises): Promise<void>;
}

let serial = 0;

async function append(
  vfs: MemoryVfs,
  promises: Promises,
  batches: readonly (readonly number[])[],
  how: { readonly rung: "os" | "disk"; readonly closes?: boolean },
): Promise<void> {
  const log = await openOn(vfs, SETTINGS);
  try {
    const shard = log.shard(0);
    for (const sizes of batches) {
      const taken: [number, string][] = [];
      for (const size of sizes) {
        const value = `${++serial}:`.padEnd(size, "x");
        const offset = shard.nextOffset;
        promises.offer(offset, value);
        if (shard.tryAppend({ key: "k", value, timestamp: 1_760_000_000_000 }) !== offset) throw new Error("no room");
        taken.push([offset, value]);
      }
      await shard.flush(how.rung);
      for (const [offset, value] of taken) promises.acknowledged.set(offset, value);
    }
    if (how.closes) await log.close();
  } catch (error) {
    // A program that goes on after a failure closes its log all the same.
    await log.close().catch(() => {});
    throw error;
  }
}

/** Builds all scenarios; `fresh` makes an empty machine. */
export async function scenarios(fresh: () => MemoryVfs): Promise<Scenario[]> {
  const empty = fresh();
  const nothing = new Promises();

  const closed = fresh();
  const closedPromises = new Promises();
  await append(closed, closedPromises, [[10, 20], [5]], { rung: "disk", closes: true });
  const clean = closed.snapshot();

  const dying = fresh();
  const tornPromises = new Promises();
  await append(dying, tornPromises, [[10, 20], [700], [400, 5], [6]], { rung: "os" });
  const killed = dying.crash("process");
  const path = shardFile(0, `${"0".repeat(17)}003.log`);
  const bytes = killed.readWhole(path);
  const tail = new Uint8Array(bytes.length + 30);
  tail.set(bytes);
  tail.set(bytes.subarray(0, 30), bytes.length);
  killed.writeWhole(path, tail);
  const torn = killed.snapshot();

  const full = await (async () => {
    const vfs = fresh();
    const promises = new Promises();
    await append(vfs, promises, [[10], [600]], { rung: "disk", closes: true });
    return { start: vfs.snapshot(), promises };
  })();

  const openAndClose = async (vfs: MemoryVfs): Promise<void> => {
    const log = await openOn(vfs, SETTINGS);
    await log.close();
  };
  const read = async (vfs: MemoryVfs, promises: Promises): Promise<void> => {
    const log = await openOn(vfs, { ...SETTINGS, readOnly: true });
    try {
      let next = 0;
      for await (const record of log.read({ shard: 0 })) {
        if (record.text() !== promises.acknowledged.get(record.offset) || record.offset !== next++) {
          throw new Error(`a reader gets ${record.offset}: ${record.text()}`);
        }
      }
      if (next < promises.acknowledged.size) throw new Error(`a reader ends at ${next}`);
    } finally {
      await log.close();
    }
  };
  return [
    { name: "open new", start: empty.snapshot(), promises: nothing, run: openAndClose },
    { name: "open existing clean", start: clean, promises: closedPromises, run: openAndClose },
    { name: "open after a crash with a torn tail", start: torn, promises: tornPromises, run: openAndClose },
    {
      name: "append and flush os",
      start: clean,
      promises: closedPromises,
      run: (vfs, promises) => append(vfs, promises, [[3, 4], [5]], { rung: "os" }),
    },
    {
      name: "append and flush disk",
      isDurable: true,
      start: clean,
      promises: closedPromises,
      run: (vfs, promises) => append(vfs, promises, [[3, 4], [5]], { rung: "disk" }),
    },
    {
      name: "roll, synced",
      start: full.start,
      promises: full.promises,
      isDurable: true,
      run: (vfs, promises) => append(vfs, promises, [[500], [3], [700], [2]], { rung: "disk", closes: true }),
    },
    {
      name: "roll",
      start: full.start,
      promises: full.promises,
      run: (vfs, promises) => append(vfs, promises, [[500], [3], [700], [2]], { rung: "os", closes: true }),
    },
    {
      name: "close",
      start: empty.snapshot(),
      promises: nothing,
      run: (vfs, promises) => append(vfs, promises, [[3]], { rung: "os", closes: true }),
    },
    {
      name: "recovery with quarantine, then append",
      start: torn,
      promises: tornPromises,
      run: (vfs, promises) => append(vfs, promises, [[3], [900]], { rung: "disk", closes: true }),
    },
    {
      name: "trim and retention, synced",
      start: full.start,
      promises: full.promises,
      isDurable: true,
      run: async (vfs, promises) => {
        await append(vfs, promises, [[500], [3], [700], [2]], { rung: "disk", closes: true });
        const log = await openOn(vfs, { ...SETTINGS, retention: { maxRecords: 3 } });
        try {
          promises.asked = Infinity;
          promises.start = await log.shard(0).trimBefore(1);
          await log.trimUser("k", 2);
          await log.close();
        } catch (error) {
          await log.close().catch(() => {});
          throw error;
        }
      },
    },
    { name: "reader opening", start: torn, promises: tornPromises, run: read },
  ];
}
