/**
 * An open file of a simulated machine.
 *
 * @module
 */
import type { MaybePromise, OpenMode, VfsFile } from "../../src/vfs.ts";
import { assertPosition } from "../../src/vfs.ts";
import { copyOf } from "./bytes.ts";
import { FileNode } from "./file_node.ts";
import type { Machine } from "./machine.ts";
import { Operation, type OperationKind } from "./operation.ts";
import { failure } from "./tree.ts";

const DIRECT_BYTES = 4096;

/** A handle. Several may point at one file; it lives as long as its machine. */
export class MemoryFile implements VfsFile {
  private readonly machine: Machine;
  private readonly path: string;
  private readonly node: FileNode;
  private readonly writable: boolean;
  private readonly direct: boolean;
  private closed = false;

  constructor(machine: Machine, path: string, node: FileNode, writable: boolean, direct: boolean) {
    this.machine = machine;
    this.path = path;
    this.node = node;
    this.writable = writable;
    this.direct = direct;
  }

  read(into: Uint8Array, position: number): MaybePromise<number> {
    if (!isPosition(position)) assertPosition(position, `read ${this.path}`);
    this.check("read", into, position, into.length);
    if (this.machine.passes()) return this.node.cache.read(into, position);
    return this.beginRead(into, position);
  }

  // Apart: a function with closures makes room for what they see whenever it is called, also where it makes none.
  private beginRead(into: Uint8Array, position: number): MaybePromise<number> {
    const operation = this.operation("read", () => this.node.cache.read(into, position));
    operation.into = into;
    operation.position = position;
    operation.length = into.length;
    return this.machine.run(operation);
  }

  write(from: Uint8Array, position: number): MaybePromise<void> {
    if (!isPosition(position)) assertPosition(position, `write ${this.path}`);
    this.check("write", from, position, from.length);
    // Whatever array the caller uses, this one is plain memory that nobody else holds.
    const bytes = copyOf(from);
    if (this.machine.passes()) return this.machine.write(this.path, this.node, bytes, bytes.length, position);
    return this.beginWrite(from, bytes, position);
  }

  private beginWrite(from: Uint8Array, bytes: Uint8Array, position: number): MaybePromise<void> {
    const operation = this.operation("write", () => this.machine.land(operation, operation.length));
    operation.bytes = bytes;
    operation.from = from;
    operation.position = position;
    operation.length = from.length;
    const land = (count: number) => this.machine.land(operation, count);
    operation.land = land;
    return this.machine.run(operation);
  }

  size(): MaybePromise<number> {
    this.check("size", null, 0, 0);
    if (this.machine.passes()) return this.node.cache.size;
    return this.machine.run(this.operation("size", () => this.node.cache.size));
  }

  truncate(size: number): MaybePromise<void> {
    if (!isPosition(size)) assertPosition(size, `truncate ${this.path}`);
    this.check("truncate", null, size, 0);
    if (this.machine.passes()) return this.shrink(size);
    const operation = this.operation("truncate", () => this.shrink(size));
    operation.position = size;
    return this.machine.run(operation);
  }

  private shrink(size: number): void {
    this.machine.touch(this.node);
    this.node.truncate(size);
  }

  sync(): MaybePromise<void> {
    this.check("sync", null, 0, 0);
    const mark = this.node.changes;
    if (this.machine.passes()) return this.node.sync(mark);
    return this.beginSync(mark);
  }

  private beginSync(mark: number): MaybePromise<void> {
    const operation = this.operation("sync", () => this.node.sync(mark));
    const lose = () => this.node.loseUnsynced(mark);
    operation.lose = lose;
    return this.machine.run(operation);
  }

  close(): MaybePromise<void> {
    if (this.closed) return;
    this.check("close", null, 0, 0);
    // Even a close that reports a failure frees the handle, as on Linux.
    this.closed = true;
    if (this.machine.passes()) return;
    return this.machine.run(this.operation("close", () => undefined));
  }

  private operation(kind: OperationKind, effect: () => unknown): Operation {
    const operation = new Operation(kind, this.path, effect);
    operation.node = this.node;
    operation.owner = this;
    return operation;
  }

  private check(kind: OperationKind, memory: Uint8Array | null, position: number, length: number): void {
    if (this.machine.stopped) return;
    if (this.closed) throw failure("IO", kind, this.path, "the file is closed");
    if (!this.writable && (kind === "write" || kind === "truncate")) {
      throw failure("PERMISSION", kind, this.path, "it was opened to be read");
    }
    if (this.direct && memory !== null && (memory.byteOffset | position % DIRECT_BYTES | length) % DIRECT_BYTES !== 0) {
      throw failure("IO", kind, this.path, "direct memory, positions and sizes must be multiples of 4,096 bytes");
    }
    if (this.machine.scheduler.inFlight.length > 0) this.checkBeside(kind, position, length);
  }

  /** What may run beside what is the contract's; a real disk would only seldom punish it. */
  private checkBeside(kind: OperationKind, position: number, length: number): void {
    const isRead = kind === "read" || kind === "size";
    for (const other of this.machine.scheduler.inFlight) {
      if (other.node !== this.node) continue;
      const isOverlap = kind === "write" && other.kind === "write" &&
        position < other.position + other.length && other.position < position + length;
      // A read may run beside any call, a truncate beside nothing else.
      const isTruncate = (kind === "truncate" && !other.isRead) || (other.kind === "truncate" && !isRead);
      // The handle's number could belong to another file by the time the write takes place.
      const isClose = kind === "close" && other.owner === this;
      if (isOverlap || isTruncate || isClose) {
        this.machine.violate(
          `A ${kind} of ${this.path} (position ${position}, ${length} bytes) began while operation ${other.number}, ` +
            `a ${other.kind} (position ${other.position}, ${other.length} bytes), was in flight`,
        );
      }
    }
  }
}

/** Asked first, since the message costs more than a short read. */
function isPosition(position: number): boolean {
  return Number.isSafeInteger(position) && position >= 0;
}

/** Opens the file at `path`. */
export function openFile(machine: Machine, path: string, mode: OpenMode, direct: boolean): MemoryFile {
  const { tree, options } = machine;
  if (direct && options.directIo === false) throw failure("UNSUPPORTED", "open", path, "no direct access here");
  const place = tree.place(path, "open");
  let node = place.directory.entries.get(place.name);
  if (mode === "create") {
    if (node !== undefined) throw failure("EXISTS", "create", path, "it exists");
    node = new FileNode();
    machine.touch(node);
    tree.create(place, node);
  }
  if (node === undefined) throw failure("NOT_FOUND", "open", path, "there is no such file");
  if (node.kind !== "file") throw failure("IO", "open", path, "it is not a file");
  if (machine.locks.has(node)) machine.violate(`The lock file ${path} was opened while it is locked`);
  if (options.history !== undefined && path.search(options.history) >= 0) keepHistory(machine, path, node);
  return new MemoryFile(machine, path, node, mode !== "read", direct);
}

function keepHistory(machine: Machine, path: string, node: FileNode): void {
  const { histories } = machine.witness;
  let versions = histories.get(path);
  if (versions === undefined) histories.set(path, versions = []);
  node.versions = versions;
}
