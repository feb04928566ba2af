/**
 * The lock: SQLite's own, on an empty database. It is the one lock that all three runtimes take alike, and the
 * system frees it with the process.
 *
 * Inside one process SQLite keeps account of its locks by inode, across connections and threads. That account
 * breaks when anybody else in the process opens the file and closes it again: POSIX then drops every lock the
 * process has on it. So nothing here opens the file; it is only looked at by name.
 *
 * @module
 */
import { chmodSync, lstatSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { VfsError, type VfsLock } from "../src/vfs.ts";
import { vfsError } from "./posix_errors.ts";

/** What the lock needs of a database connection. Its busy timeout is 0. */
export interface LockDatabase {
  run(sql: string): void;
  close(): void;
}

/** Opens the database at an absolute path, and creates it if it is missing. */
export type OpenLockDatabase = (path: string) => LockDatabase;

/** A connection that nobody refers to is collected, and its lock goes with it. */
const held = new Set<LockDatabase>();

/** Takes the lock at once or fails with `BUSY`. See {@linkcode "../src/vfs.ts".Vfs.lock}. */
export function takeLock(open: OpenLockDatabase, path: string, mode: "exclusive" | "shared"): VfsLock {
  let database: LockDatabase | undefined;
  try {
    const isNew = inspect(path);
    // An absolute path is never taken for a URI or for `:memory:`.
    database = open(resolve(path));
    // Without this, `BEGIN EXCLUSIVE` creates a journal file beside the lock.
    database.run("PRAGMA journal_mode = MEMORY");
    if (mode === "exclusive") {
      database.run("BEGIN EXCLUSIVE");
      // On a file that cannot be written, `BEGIN EXCLUSIVE` silently takes a shared lock: writing, into memory that
      // is never committed, tells.
      database.run("PRAGMA user_version = 1");
    } else {
      database.run("BEGIN");
      // A transaction holds its read lock from the first read on.
      database.run("SELECT 1 FROM sqlite_schema");
    }
    if (isNew) chmodSync(path, 0o600);
  } catch (error) {
    database?.close();
    throw lockError(path, error);
  }
  const connection = database;
  held.add(connection);
  return {
    release: () => {
      if (held.delete(connection)) connection.close();
    },
  };
}

/** Refuses what SQLite would follow, fill or take as its own. Answers whether the file is missing. */
function inspect(path: string): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) {
    // SQLite would only say that it cannot open the file.
    lstatSync(dirname(path));
    return true;
  }
  const refuse = (why: string): never => {
    throw new VfsError("IO", `Cannot lock ${path}: ${why}`, path);
  };
  if (!stat.isFile()) refuse("it is not a plain file, and links are not followed");
  // Nothing is ever committed, so a lock file of ours is empty.
  if (stat.size > 0) refuse("it is not a lock file, because it is not empty; move it away");
  return false;
}

/** SQLite's wording is the same everywhere, its codes are not: Deno passes none on. */
function lockError(path: string, error: unknown): VfsError {
  const words = error instanceof Error ? error.message : "";
  if (words.includes("database is locked")) {
    return new VfsError("BUSY", `Cannot lock ${path}: somebody else holds it`, path, { cause: error });
  }
  if (words.includes("unable to open database file") || words.includes("readonly database")) {
    const message = `Cannot lock ${path}: permission denied, or too many files are open`;
    return new VfsError("PERMISSION", message, path, { cause: error });
  }
  return vfsError("lock", path, error);
}
