import { inGroups, type Peer } from "./peer.ts";

/** Entries that one call of the iterator hands out. */
const READ_COUNT = 1000;

export const classicLevel: Peer = {
  name: "classic-level",
  settings: {
    append: "chained batches of 10,000; 4-byte keys, values as views",
    synced: "the same with sync: true",
    read: "an iterator's nextv(1000)",
  },
  async open(directory, durability) {
    const { ClassicLevel } = await import("classic-level");
    const db = new ClassicLevel<Uint8Array, Uint8Array>(directory, { keyEncoding: "view", valueEncoding: "view" });
    await db.open();
    return {
      async append(value, count) {
        await inGroups(count, async (from, to) => {
          const batch = db.batch();
          const keys = new DataView(new ArrayBuffer(4 * (to - from)));
          for (let i = from; i < to; i++) {
            const at = 4 * (i - from);
            keys.setUint32(at, i);
            batch.put(new Uint8Array(keys.buffer, at, 4), value);
          }
          await batch.write({ sync: durability === "disk" });
        });
      },
      async read() {
        let bytes = 0;
        const iterator = db.iterator({ keys: false });
        for (let entries = await iterator.nextv(READ_COUNT); entries.length > 0;) {
          for (const [, value] of entries) bytes += value!.length;
          entries = await iterator.nextv(READ_COUNT);
        }
        await iterator.close();
        return bytes;
      },
      close: () => db.close(),
    };
  },
};
