/**
 * The file system of Bun. Its `node:fs` does what Node's does, at the same speed; only SQLite has another name.
 *
 * @module
 */
import process from "node:process";
import type { Vfs } from "../src/vfs.ts";
import { PosixVfs } from "./posix.ts";
import { threadPoolWriter } from "./posix_file.ts";
import type { LockDatabase } from "./sqlite_lock.ts";

/** The part of `bun:sqlite` that the lock needs. */
interface BunSqlite {
  Database: new (path: string, options: { readwrite: boolean; create: boolean }) => {
    run(sql: string): unknown;
    close(): void;
  };
}

/** The file system of the running Bun. */
export function bunVfs(): Vfs {
  return new PosixVfs({
    name: `bun ${process.versions.bun}`,
    openWriter: threadPoolWriter,
    openLockDatabase: openBunDatabase,
    maySeeSystem: () => true,
  });
}

function openBunDatabase(path: string): LockDatabase {
  // No import statement: bundlers and the other runtimes do not know this name.
  const { Database } = process.getBuiltinModule("bun:sqlite") as unknown as BunSqlite;
  const database = new Database(path, { readwrite: true, create: true });
  return {
    run: (sql) => {
      database.run(sql);
    },
    close: () => database.close(),
  };
}
