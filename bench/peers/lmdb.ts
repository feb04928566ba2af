import { inGroups, type Peer } from "./peer.ts";

export const lmdb: Peer = {
  name: "lmdb",
  settings: {
    append: "noSync; 10,000 putSync with append in a transactionSync; uint32 keys, binary values",
    synced: "the same with overlappingSync: false instead of noSync, so that a commit is a sync",
    read: "getRange",
  },
  async open(directory, durability) {
    const { open } = await import("lmdb");
    const db = open<Uint8Array, number>({
      path: directory,
      keyEncoding: "uint32",
      encoding: "binary",
      ...(durability === "os" ? { noSync: true } : { overlappingSync: false }),
    });
    return {
      append: (value, count) =>
        inGroups(count, (from, to) =>
          db.transactionSync(() => {
            for (let i = from; i < to; i++) db.putSync(i, value, { append: true });
          })),
      read() {
        let bytes = 0;
        for (const { value } of db.getRange()) bytes += value.length;
        return Promise.resolve(bytes);
      },
      close: () => db.close(),
    };
  },
};
