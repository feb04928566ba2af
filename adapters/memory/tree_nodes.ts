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
