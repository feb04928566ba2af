/**
 * Looks into the files of a simulated machine, and fills them, from outside: no operations, no faults.
 *
 * @module
 */
import { Bytes } from "./bytes.ts";
import { FileNode } from "./file_node.ts";
import { failure, type Tree } from "./tree.ts";
import { namesIn } from "./tree_nodes.ts";

/** A copy of what a file holds. */
export function readWhole(tree: Tree, path: string): Uint8Array {
  const node = tree.lookup(path, "read");
  if (node?.kind !== "file") throw failure("NOT_FOUND", "read", path, "there is no such file");
  return node.cache.copy();
}

/** What the files in a directory hold, by name, sorted. The contents never change, and nothing is copied before a file does. */
export function readDirectory(
  tree: Tree,
  path: string,
  isWanted: (name: string) => boolean,
): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  const directory = tree.lookup(path, "read");
  if (directory?.kind !== "directory") return files;
  for (const name of namesIn(directory)) {
    const node = directory.entries.get(name)!;
    if (node.kind === "file" && isWanted(name)) files.set(name, node.cache.freeze());
  }
  return files;
}

/** Gives a file a content, durable at once as are the directories above it. */
export function writeWhole(tree: Tree, path: string, bytes: Uint8Array): void {
  const found = tree.lookup(path, "write");
  const node = found?.kind === "file" ? found : new FileNode();
  node.replace(Bytes.take(new Uint8Array(bytes)));
  tree.plant(path, node);
}

/** Paths of all files as they are seen, sorted. */
export function listPaths(tree: Tree): string[] {
  const paths: string[] = [];
  tree.walk((path) => paths.push(path));
  return paths;
}
