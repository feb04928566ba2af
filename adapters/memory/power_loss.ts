/**
 * What a power loss leaves of files and directories. The model is described in `adapters/memory.ts`.
 *
 * @module
 */
import type { PowerLoss } from "./crash_model.ts";
import { Platter } from "./platter.ts";
import { makeDurable, type Tree } from "./tree.ts";
import type { DirectoryNode, TreeNode } from "./tree_nodes.ts";

/** Brings a whole disk into the state after a power loss: what is seen is then exactly what is durable. */
export function losePower(tree: Tree, loss: PowerLoss): void {
  settleEntries(tree, loss);
  settleDirectory(tree.root, loss);
}

function settleEntries(tree: Tree, loss: PowerLoss): void {
  if (tree.unsynced.length === 0) return;
  const { random, counts } = loss;
  const probability = loss.model.entriesKept ?? random.pick([0, 0.5, 0.5, 1]);
  // A change that builds on a lost one is lost too: otherwise a file could end up under two names.
  const lost = new Set<TreeNode>();
  for (const change of tree.unsynced) {
    if (!lost.has(change.node) && random.chance(probability)) {
      makeDurable(change);
      counts.entries.kept++;
    } else {
      lost.add(change.node);
      counts.entries.dropped++;
    }
  }
  tree.unsynced = [];
}

function settleDirectory(directory: DirectoryNode, loss: PowerLoss): void {
  directory.entries = new Map(directory.durable);
  for (const node of directory.entries.values()) {
    if (node.kind === "directory") settleDirectory(node, loss);
    else if (node.kind === "file" && node.unsynced.length > 0) new Platter(node, loss).settle();
    else if (node.kind === "file") node.replace(node.disk, node.behind);
  }
}
