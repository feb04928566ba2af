/**
 * Lock databases through `node:sqlite`, for Node and Deno.
 *
 * @module
 */
import process from "node:process";
import { VfsError } from "../src/vfs.ts";
import type { LockDatabase } from "./sqlite_lock.ts";

type SqliteModule = typeof import("node:sqlite");

let sqlite: SqliteModule | undefined;

/** See {@linkcode "./sqlite_lock.ts".OpenLockDatabase}. */
export function openNodeDatabase(path: string): LockDatabase {
  sqlite ??= withoutSqliteWarning(() => process.getBuiltinModule?.("node:sqlite"));
  if (sqlite === undefined) {
    throw new VfsError("UNSUPPORTED", `Cannot lock ${path}: node:sqlite is missing; use Node 22.13 or newer`, path);
  }
  const database = new sqlite.DatabaseSync(path);
  return { run: (sql) => database.exec(sql), close: () => database.close() };
}

/** Node 22 to 24 announce an experiment when the module is first loaded. Every other warning passes. */
function withoutSqliteWarning<T>(load: () => T): T {
  const { emitWarning } = process;
  process.emitWarning = (warning: string | Error, ...details: unknown[]): void => {
    if (String(warning).startsWith("SQLite is an experimental feature")) return;
    Reflect.apply(emitWarning, process, [warning, ...details]);
  };
  try {
    return load();
  } finally {
    process.emitWarning = emitWarning;
  }
}
