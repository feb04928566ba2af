/**
 * The simulated directories: what is seen, what is durable, and the ordered entry changes between the two.
 *
 * @module
 */
import type { DirectoryEntry, VfsErrorCode } from "../../src/vfs.ts";
import { VfsError } from "../../src/vfs.ts";
import type { FileNode } from "./file_node.ts";
import { DirectoryNode, namesIn, type TreeNode } from "./tree_nodes.ts";

interface EntryPlace {
  readonly directory: DirectoryNode;
  readonly name: string;
}

/** A create (no `from`), a remove (no `to`) or a rename (both), not yet durable. */
export interface EntryChange {
  readonly sequence: number;
  readonly node: TreeNode;
  readonly from: EntryPlace | null;
  readonly to: EntryPlace | null;
}

/** Makes the error of a failed operation, worded alike everywhere. */
export function failure(code: VfsErrorCode, action: string, path: string, state: string): VfsError {
  return new VfsError(code, `Cannot ${action} ${path}: ${state}`, path);
}

/** A log asks for the same few paths again and again. */
const splitPaths = new Map<string, readonly string[]>();
const MAX_SPLIT_PATHS = 4096;

/** Relative paths start at the root too: a simulated process has no working directory. */
function split(path: string): readonly string[] {
  const known = splitPaths.get(path);
  if (known !== undefined) return known;
  const names: string[] = [];
  for (const name of path.split("/")) {
    if (name === "..") names.pop();
    else if (name !== "" && name !== ".") names.push(name);
  }
  if (splitPaths.size >= MAX_SPLIT_PATHS) splitPaths.clear();
  splitPaths.set(path, names);
  return names;
}

/** All directories of one simulated disk. */
export class Tree {
  root: DirectoryNode = new DirectoryNode();
  unsynced: EntryChange[] = [];
  /** Entry changes so far. */
  changes = 0;

  /** The node at `path`, or `undefined`. Fails where a component before the last is no directory. */
  lookup(path: string, action: string): TreeNode | undefined {
    const names = split(path);
    return this.find(path, names, names.length, action);
  }

  /** The node at the first `count` of `names`. */
  private find(path: string, names: readonly string[], count: number, action: string): TreeNode | undefined {
    let node: TreeNode | undefined = this.root;
    for (let i = 0; i < count; i++) {
      const name = names[i];
      if (node === undefined) return undefined;
      if (node.kind !== "directory") throw failure("NOT_A_DIRECTORY", action, path, "a parent is not a directory");
      node = node.entries.get(name);
    }
    return node;
  }

  directory(path: string, action: string): DirectoryNode {
    return this.asDirectory(this.lookup(path, action), path, action);
  }

  private asDirectory(node: TreeNode | undefined, path: string, action: string): DirectoryNode {
    if (node === undefined) throw failure("NOT_FOUND", action, path, "there is no such directory");
    if (node.kind !== "directory") throw failure("NOT_A_DIRECTORY", action, path, "it is not a directory");
    return node;
  }

  /** Where the last component of `path` stands, or would stand. */
  place(path: string, action: string): EntryPlace {
    const names = split(path);
    const parents = names.length - 1;
    if (parents < 0) throw failure("IO", action, path, "it is the root");
    const above = this.find(path, names, parents, action);
    if (above?.kind === "directory") return { directory: above, name: names[parents] };
    const directory = this.asDirectory(above, names.slice(0, parents).join("/"), action);
    return { directory, name: names[parents] };
  }

  /** The entries of a directory, sorted by name. */
  list(path: string): DirectoryEntry[] {
    const directory = this.directory(path, "list");
    return namesIn(directory).map((name) => ({ name, kind: directory.entries.get(name)!.kind }));
  }

  /** When the file's content last changed. */
  modified(path: string): number {
    const node = this.lookup(path, "look at");
    if (node === undefined) throw failure("NOT_FOUND", "look at", path, "there is no such file");
    if (node.kind !== "file") throw failure("IO", "look at", path, "it is not a file");
    return node.modifiedMs;
  }

  makeDirectory(path: string): void {
    let directory = this.root;
    const names = split(path);
    for (let i = 0; i < names.length; i++) {
      const name = names[i];
      let node = directory.entries.get(name);
      if (node === undefined) {
        node = new DirectoryNode();
        this.change(node, null, { directory, name });
      } else if (node.kind !== "directory") {
        const code = i === names.length - 1 ? "EXISTS" : "NOT_A_DIRECTORY";
        throw failure(code, "make directory", path, `"${name}" is not a directory`);
      }
      directory = node;
    }
  }

  create(place: EntryPlace, node: TreeNode): void {
    this.change(node, null, place);
  }

  remove(path: string): void {
    const place = this.place(path, "remove");
    const node = place.directory.entries.get(place.name);
    if (node === undefined) throw failure("NOT_FOUND", "remove", path, "there is no such file");
    if (node.kind === "directory") throw failure("IO", "remove", path, "it is a directory");
    this.change(node, place, null);
  }

  rename(from: string, to: string): void {
    const source = this.place(from, "rename");
    const target = this.place(to, "rename");
    const node = source.directory.entries.get(source.name);
    if (node === undefined) throw failure("NOT_FOUND", "rename", from, "there is no such file");
    const replaced = target.directory.entries.get(target.name);
    if (replaced === node) return;
    const isFree = replaced === undefined || (replaced.kind === "directory" && replaced.entries.size === 0);
    if (node.kind === "directory" ? !isFree : replaced?.kind === "directory") {
      throw failure("IO", "rename", from, "files replace files, and directories empty directories");
    }
    this.change(node, source, target);
  }

  link(from: string, to: string): void {
    const source = this.place(from, "link");
    const target = this.place(to, "link");
    const node = source.directory.entries.get(source.name);
    if (node === undefined) throw failure("NOT_FOUND", "link", from, "there is no such file");
    if (node.kind !== "file") throw failure("IO", "link", from, "it is not a file");
    if (target.directory.entries.has(target.name)) throw failure("EXISTS", "link", to, "it is there already");
    this.change(node, null, target);
  }

  /** How many names the file at `path` has. */
  links(path: string): number {
    const node = this.lookup(path, "look at");
    if (node === undefined) throw failure("NOT_FOUND", "look at", path, "there is no such file");
    return countNames(this.root, node);
  }

  /** Makes durable the entry changes of `directory` before `mark`, the value of `changes` when the sync began. */
  sync(directory: DirectoryNode, mark: number): void {
    this.settle((change) => concerns(change, directory) && change.sequence < mark, true);
  }

  /** The sync failed: the entries stay visible, and no later sync makes them durable. */
  loseUnsynced(directory: DirectoryNode, mark: number): void {
    this.settle((change) => concerns(change, directory) && change.sequence < mark, false);
  }

  /** Decides each pending entry change, oldest first: those that `which` takes leave the list, `kept` or not. */
  settle(which: (change: EntryChange) => boolean, kept: boolean): void {
    if (this.unsynced.length === 0) return;
    this.unsynced = this.unsynced.filter((change) => {
      if (!which(change)) return true;
      if (kept) makeDurable(change);
      return false;
    });
  }

  /** Puts `node` at `path`, durably, together with the directories above it. */
  plant(path: string, node: TreeNode): void {
    const names = split(path).slice();
    const last = names.pop();
    if (last === undefined) throw failure("IO", "write", path, "it is the root");
    let directory = this.root;
    for (const name of names) {
      const found = directory.entries.get(name) ?? new DirectoryNode();
      if (found.kind !== "directory") throw failure("NOT_A_DIRECTORY", "write", path, `"${name}" is not a directory`);
      this.plantEntry(directory, name, found);
      directory = found;
    }
    this.plantEntry(directory, last, node);
  }

  /** Removes `path`, durably. */
  uproot(path: string): void {
    const { directory, name } = this.place(path, "remove");
    if (!directory.entries.delete(name)) throw failure("NOT_FOUND", "remove", path, "there is no such file");
    directory.durable.delete(name);
    this.forget(directory, name);
  }

  /** Calls `visit` for each file that is seen, in the order of paths. */
  walk(visit: (path: string, node: FileNode) => void, directory: DirectoryNode = this.root, prefix = ""): void {
    for (const name of namesIn(directory)) {
      const node = directory.entries.get(name)!;
      if (node.kind === "file") visit(prefix + name, node);
      else if (node.kind === "directory") this.walk(visit, node, `${prefix}${name}/`);
    }
  }

  clone(): Tree {
    const copies = new Map<TreeNode, TreeNode>();
    const place = (from: EntryPlace | null): EntryPlace | null =>
      from === null ? null : { directory: cloneNode(from.directory, copies) as DirectoryNode, name: from.name };
    const copy = new Tree();
    copy.root = cloneNode(this.root, copies) as DirectoryNode;
    copy.changes = this.changes;
    copy.unsynced = this.unsynced.map((change) => ({
      sequence: change.sequence,
      node: cloneNode(change.node, copies),
      from: place(change.from),
      to: place(change.to),
    }));
    return copy;
  }

  private change(node: TreeNode, from: EntryPlace | null, to: EntryPlace | null): void {
    if (from !== null) from.directory.entries.delete(from.name);
    if (to !== null) to.directory.entries.set(to.name, node);
    this.unsynced.push({ sequence: this.changes++, node, from, to });
  }

  private plantEntry(directory: DirectoryNode, name: string, node: TreeNode): void {
    directory.entries.set(name, node);
    directory.durable.set(name, node);
    this.forget(directory, name);
  }

  /** Drops the pending changes of one name. A rename loses only this end of it: its other end is decided apart. */
  private forget(directory: DirectoryNode, name: string): void {
    const isHere = (place: EntryPlace | null) => place !== null && place.directory === directory && place.name === name;
    const left: EntryChange[] = [];
    for (const change of this.unsynced) {
      const from = isHere(change.from) ? null : change.from;
      const to = isHere(change.to) ? null : change.to;
      if (from !== null || to !== null) left.push({ ...change, from, to });
    }
    this.unsynced = left;
  }
}

function countNames(directory: DirectoryNode, wanted: TreeNode): number {
  let names = 0;
  for (const node of directory.entries.values()) {
    if (node === wanted) names++;
    else if (node.kind === "directory") names += countNames(node, wanted);
  }
  return names;
}

function concerns(change: EntryChange, directory: DirectoryNode): boolean {
  return change.from?.directory === directory || change.to?.directory === directory;
}

/** Brings one entry change to the durable directories. */
export function makeDurable(change: EntryChange): void {
  const { node, from, to } = change;
  if (from !== null && from.directory.durable.get(from.name) === node) from.directory.durable.delete(from.name);
  if (to !== null) to.directory.durable.set(to.name, node);
}

function cloneNode(node: TreeNode, copies: Map<TreeNode, TreeNode>): TreeNode {
  if (node.kind === "other") return node;
  const known = copies.get(node);
  if (known !== undefined) return known;
  if (node.kind === "file") {
    const file = node.clone();
    copies.set(node, file);
    return file;
  }
  const directory = new DirectoryNode();
  copies.set(node, directory);
  for (const [name, child] of node.entries) directory.entries.set(name, cloneNode(child, copies));
  for (const [name, child] of node.durable) directory.durable.set(name, cloneNode(child, copies));
  return directory;
}
