/**
 * What the names of the simulated directories point at.
 *
 * @module
 */
import type { FileNode } from "./file_node.ts";

/** A directory. `durable` is what a power loss cannot take. */
export class DirectoryNode {
  readonly kind = "directory";
  entries: Map<string, TreeNode> = new Map();
  durable: Map<string, TreeNode> = new Map();
}

/** Something that is neither a file nor a directory, such as a symbolic link. */
export class OtherNode {
  readonly kind = "other";
}

/** Whatever a name can point at. */
export type TreeNode = FileNode | DirectoryNode | OtherNode;

/** A few names are sorted by insertion, which costs a fraction of a general sort. */
const FEW_NAMES = 32;

/** The names in a directory, sorted. */
export function namesIn(directory: DirectoryNode): string[] {
  const names = [...directory.entries.keys()];
  if (names.length > FEW_NAMES) return names.sort();
  for (let i = 1; i < names.length; i++) {
    const name = names[i];
    let at = i;
    for (; at > 0 && names[at - 1] > name; at--) names[at] = names[at - 1];
    names[at] = name;
  }
  return names;
}
