/**
 * Copies of the tree in temporary directories.
 *
 * @module
 */
import { cpSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";

const LEFT_OUT = new Set(["node_modules", "dist", ".git"]);

/** A directory of its own; nothing of it stays when the work is done. */
export function makeWorkplace(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), "bimiplog-bugs-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true, maxRetries: 3 }) };
}

/** Copies what the tests need; the installed packages are shared. */
export function copyTree(from: string, to: string, packages: string): void {
  cpSync(from, to, { recursive: true, filter: (path) => !LEFT_OUT.has(basename(path)) });
  symlinkSync(packages, join(to, "node_modules"), "dir");
}
