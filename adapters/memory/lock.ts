/**
 * Locks inside a simulated machine.
 *
 * @module
 */
import type { MaybePromise, VfsLock } from "../../src/vfs.ts";
import { FileNode } from "./file_node.ts";
import type { Machine } from "./machine.ts";
import { Operation } from "./operation.ts";
import { failure } from "./tree.ts";

/** Takes the lock on the file at `path`, or fails with `BUSY`. */
export function takeLock(machine: Machine, path: string, exclusive: boolean): MemoryLock {
  const place = machine.tree.place(path, "lock");
  let node = place.directory.entries.get(place.name);
  if (node === undefined) machine.tree.create(place, node = new FileNode());
  if (node.kind !== "file") throw failure("IO", "lock", path, "it is not a file");
  const held = machine.locks.get(node);
  if (held !== undefined && (exclusive || held.exclusive)) throw failure("BUSY", "lock", path, "somebody holds it");
  if (held === undefined) machine.locks.set(node, { exclusive, holders: 1 });
  else held.holders++;
  return new MemoryLock(machine, path, node);
}

/** A lock that is held until it is released, lost, or its machine crashes. */
export class MemoryLock implements VfsLock {
  private readonly machine: Machine;
  private readonly path: string;
  private readonly node: FileNode;
  private readonly held: object | undefined;
  private isFree = false;

  constructor(machine: Machine, path: string, node: FileNode) {
    this.machine = machine;
    this.path = path;
    this.node = node;
    this.held = machine.locks.get(node);
  }

  release(): MaybePromise<void> {
    if (this.machine.passes()) return this.free();
    return this.machine.run(new Operation("release", this.path, () => this.free()));
  }

  free(): void {
    const held = this.machine.locks.get(this.node);
    // A lock that was lost may be somebody else's by now.
    if (this.isFree || held === undefined || held !== this.held) return;
    this.isFree = true;
    if (--held.holders === 0) this.machine.locks.delete(this.node);
  }
}
