/**
 * The real file system with a hand on its brake: a test holds calls back, or lets them fail as a broken disk would. Nothing
 * else can make a healthy disk do that at a chosen moment.
 */
import { runtimeVfs } from "../../adapters/runtime.ts";
import type { Log, OpenOptions } from "../../mod.ts";
import {
  type DirectoryEntry,
  type Host,
  type Instance,
  type MaybePromise,
  type OpenFileOptions,
  type OpenMode,
  type Vfs,
  VfsError,
  type VfsErrorCode,
  type VfsFile,
  type VfsLock,
} from "../../src/vfs.ts";
import { useLog } from "../helpers.ts";

/** A call that changes something. */
export interface Operation {
  readonly kind: "create" | "write" | "sync" | "truncate" | "rename" | "remove" | "syncDirectory";
  readonly path: string;
}

/** Called before an operation: throws or rejects to make it fail, answers a promise to hold it back. */
export type Control = (operation: Operation) => MaybePromise<void>;

/** A file system failure as an adapter reports it. */
export function diskFailure(operation: Operation, code: VfsErrorCode = "IO"): VfsError {
  return new VfsError(code, `Cannot ${operation.kind} ${operation.path}: the test says so`, operation.path);
}

/** Lets the calls that `matches` picks fail, from the `first`-th on. */
export function failFrom(
  first: number,
  matches: (operation: Operation) => boolean,
  code?: VfsErrorCode,
): Control {
  let seen = 0;
  return (operation) => {
    if (matches(operation) && ++seen >= first) throw diskFailure(operation, code);
  };
}

/** See above. */
export class ControlledVfs implements Vfs {
  readonly host: Host;
  /** Everything that was let through or struck, in order. */
  readonly operations: Operation[] = [];
  control: Control;
  readonly #vfs: Vfs = runtimeVfs();

  constructor(control: Control = () => {}) {
    this.control = control;
    this.host = this.#vfs.host;
  }

  /** How many operations of a kind there were on paths with this ending. */
  count(kind: Operation["kind"], ending: string): number {
    return this.operations.filter((operation) => operation.kind === kind && operation.path.endsWith(ending)).length;
  }

  open(path: string, mode: OpenMode, options?: OpenFileOptions): MaybePromise<VfsFile> {
    const open = (): MaybePromise<VfsFile> => this.#vfs.open(path, mode, options);
    const opened = mode === "create" ? this.#run("create", path, open) : open();
    const wrap = (file: VfsFile): VfsFile => this.#wrap(path, file);
    return opened instanceof Promise ? opened.then(wrap) : wrap(opened);
  }

  list(path: string): MaybePromise<DirectoryEntry[]> {
    return this.#vfs.list(path);
  }

  makeDirectory(path: string): MaybePromise<void> {
    return this.#vfs.makeDirectory(path);
  }

  remove(path: string): MaybePromise<void> {
    return this.#run("remove", path, () => this.#vfs.remove(path));
  }

  rename(from: string, to: string): MaybePromise<void> {
    return this.#run("rename", from, () => this.#vfs.rename(from, to));
  }

  syncDirectory(path: string): MaybePromise<void> {
    return this.#run("syncDirectory", path, () => this.#vfs.syncDirectory(path));
  }

  lock(path: string, mode: "exclusive" | "shared"): MaybePromise<VfsLock> {
    return this.#vfs.lock(path, mode);
  }

  modified(path: string): MaybePromise<number> {
    return this.#vfs.modified(path);
  }

  freeBytes(directory: string): MaybePromise<number> {
    return this.#vfs.freeBytes(directory);
  }

  instance(directory: string): MaybePromise<Instance> {
    return this.#vfs.instance(directory);
  }

  #wrap(path: string, file: VfsFile): VfsFile {
    return {
      read: (into, position) => file.read(into, position),
      write: (from, position) => this.#run("write", path, () => file.write(from, position)),
      size: () => file.size(),
      truncate: (size) => this.#run("truncate", path, () => file.truncate(size)),
      sync: () => this.#run("sync", path, () => file.sync()),
      close: () => file.close(),
    };
  }

  #run<T>(kind: Operation["kind"], path: string, call: () => MaybePromise<T>): MaybePromise<T> {
    const operation: Operation = { kind, path };
    this.operations.push(operation);
    const held = this.control(operation);
    return held instanceof Promise ? held.then(call) : call();
  }
}

/** Holds back what is waiting until it is opened. */
export class Gate {
  readonly #open: Promise<void>;
  /** Lets everything through, from now on too. */
  open: () => void = () => {};

  constructor() {
    this.#open = new Promise((resolve) => this.open = resolve);
  }

  get passed(): Promise<void> {
    return this.#open;
  }
}

/** Runs `body` with a log whose writes to `.log` files wait for the gate. */
export async function useHeldLog(
  options: OpenOptions,
  body: (log: Log, gate: Gate, vfs: ControlledVfs) => Promise<void>,
): Promise<void> {
  const gate = new Gate();
  const vfs = new ControlledVfs(({ kind, path }) =>
    kind === "write" && path.endsWith(".log") ? gate.passed : undefined
  );
  await useLog({ ...options, vfs }, async (log) => {
    try {
      await body(log, gate, vfs);
    } finally {
      gate.open();
    }
  });
}
