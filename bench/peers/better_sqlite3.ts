import { inGroups, type Peer } from "./peer.ts";

export const betterSqlite3: Peer = {
  name: "better-sqlite3",
  settings: {
    append: "WAL, synchronous OFF; a prepared insert, 10,000 in a transaction",
    synced: "WAL, synchronous FULL; the same",
    read: "iterate of a plucked select",
  },
  async open(directory, durability) {
    const { default: Database } = await import("better-sqlite3");
    const db = new Database(`${directory}/messages.db`);
    db.pragma("journal_mode = WAL");
    db.pragma(`synchronous = ${durability === "os" ? "OFF" : "FULL"}`);
    db.exec("CREATE TABLE IF NOT EXISTS messages (id INTEGER PRIMARY KEY, value BLOB NOT NULL)");
    const insert = db.prepare("INSERT INTO messages (value) VALUES (?)");
    const insertMany = db.transaction((value: Uint8Array, count: number) => {
      for (let i = 0; i < count; i++) insert.run(value);
    });
    return {
      append: (value, count) => inGroups(count, (from, to) => insertMany(value, to - from)),
      read() {
        let bytes = 0;
        const values = db.prepare("SELECT value FROM messages ORDER BY id").pluck().iterate();
        for (const value of values as Iterable<Uint8Array>) bytes += value.length;
        return Promise.resolve(bytes);
      },
      close: () => Promise.resolve(void db.close()),
    };
  },
};
