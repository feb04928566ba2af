/**
 * The file system of Node.
 *
 * @module
 */
import process from "node:process";
import type { Vfs } from "../src/vfs.ts";
import { openNodeDatabase } from "./node_sqlite.ts";
import { PosixVfs } from "./posix.ts";
import { threadPoolWriter } from "./posix_file.ts";

/** The file system of the running Node (22.13 or newer). */
export function nodeVfs(): Vfs {
  return new PosixVfs({
    name: `node ${process.versions.node}`,
    openWriter: threadPoolWriter,
    openLockDatabase: openNodeDatabase,
    maySeeSystem: () => true,
  });
}
