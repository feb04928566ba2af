/**
 * The part of the simulated file system that deals with names: directories, renames, links.
 *
 * @module
 */
import type { DirectoryEntry, MaybePromise } from "../../src/vfs.ts";
import type { Machine } from "./machine.ts";
import { Operation } from "./operation.ts";

/** See above. */
export class MemoryNames {
  /** The life of the machine that it belongs to. */
  protected readonly machine: Machine;

  /** Names on the disk of this machine. */
  constructor(machine: Machine) {
    this.machine = machine;
  }

  /** See {@linkcode Vfs.list}. */
  list(path: string): MaybePromise<DirectoryEntry[]> {
    if (this.machine.passes()) return this.machine.tree.list(path);
    return this.machine.run(new Operation("list", path, () => this.machine.tree.list(path)));
  }

  /** See {@linkcode Vfs.makeDirectory}. */
  makeDirectory(path: string): MaybePromise<void> {
    if (this.machine.passes()) return this.machine.tree.makeDirectory(path);
    return this.machine.run(new Operation("makeDirectory", path, () => this.machine.tree.makeDirectory(path)));
  }

  /** See {@linkcode Vfs.remove}. */
  remove(path: string): MaybePromise<void> {
    if (this.machine.passes()) return this.machine.tree.remove(path);
    return this.machine.run(new Operation("remove", path, () => this.machine.tree.remove(path)));
  }

  /** See {@linkcode Vfs.rename}. */
  rename(from: string, to: string): MaybePromise<void> {
    if (this.machine.passes()) return this.machine.tree.rename(from, to);
    const operation = new Operation("rename", from, () => this.machine.tree.rename(from, to));
    operation.target = to;
    return this.machine.run(operation);
  }

  /** See {@linkcode Vfs.link}. */
  link(from: string, to: string): MaybePromise<void> {
    if (this.machine.passes()) return this.machine.tree.link(from, to);
    const operation = new Operation("link", from, () => this.machine.tree.link(from, to));
    operation.target = to;
    return this.machine.run(operation);
  }

  /** See {@linkcode Vfs.links}. Not an operation: it never fails on a machine that runs, and changes nothing. */
  links(path: string): MaybePromise<number> {
    return this.machine.stopped ? this.machine.refuse() : this.machine.tree.links(path);
  }

  /** See {@linkcode Vfs.syncDirectory}. */
  syncDirectory(path: string): MaybePromise<void> {
    const { tree } = this.machine;
    const mark = tree.changes;
    const directory = () => tree.directory(path, "sync");
    if (this.machine.passes()) return tree.sync(directory(), mark);
    const operation = new Operation("syncDirectory", path, () => tree.sync(directory(), mark));
    const lose = () => tree.loseUnsynced(directory(), mark);
    operation.lose = lose;
    return this.machine.run(operation);
  }
}
