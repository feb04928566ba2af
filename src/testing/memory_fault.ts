/**
 * What can be made to go wrong with a log in memory.
 *
 * @module
 */
import type { Fault, MemoryVfs, OperationKind } from "../../adapters/memory.ts";

/** Files of a shard: the records, their index, where known-good data ends, and the facts that change seldom. */
export type FaultyFile = "log" | "index" | "anchor" | "state" | "any";

/** Which calls a fault strikes, counted from the moment it is planned. */
export interface FaultPlace {
  /** The how many-th call is the first one struck, from 1. @default {1} */
  readonly nth?: number;
  /** How many in a row are struck, from 1. @default {1} */
  readonly times?: number;
  /** Only calls on such a file. @default {"log"} */
  readonly file?: FaultyFile;
}

/** A write fails. The log then takes nothing more (`POISONED`) until it is opened again. */
export interface WriteFails extends FaultPlace {
  /** Which fault. */
  readonly fault: "writeFails";
  /** What the file holds of it nevertheless. @default {"nothing"} */
  readonly leaves?: "nothing" | "half" | "everything";
}

/** The file system takes so many bytes more, counting growth of all files, and then answers "no space left". */
export interface DiskFull {
  /** Which fault. */
  readonly fault: "diskFull";
  /** From 0. */
  readonly afterBytes: number;
}

/** A sync fails, and what it should have made durable never will be, although it can still be read. */
export interface SyncFails extends FaultPlace {
  /** Which fault. */
  readonly fault: "syncFails";
}

/** A sync succeeds without making anything durable, as a drive with a volatile cache does. */
export interface SyncLies extends FaultPlace {
  /** Which fault. */
  readonly fault: "syncLies";
}

/** A call is slow: everything else that is under way overtakes it. */
export interface Delay extends FaultPlace {
  /** Which fault. */
  readonly fault: "delay";
  /** Which calls. @default {"write"} */
  readonly on?: "read" | "write" | "sync";
  /** For how long, in turns of the event loop's microtask queue, from 1. */
  readonly turns: number;
}

/**
 * The machine stops in the middle of a file operation, which may still take effect. Whatever waits rejects with
 * `CrashError`, and `log.crash()` says what kind of crash it was. Planned with `nth` from 1 up to
 * `log.operations`, it visits every point at which a program can crash.
 */
export interface Stop {
  /** Which fault. */
  readonly fault: "stop";
  /** At the how many-th file operation of any kind from now, from 1. @default {1} */
  readonly nth?: number;
}

/** A fault that `log.plan` takes. */
export type MemoryFault = WriteFails | DiskFull | SyncFails | SyncLies | Delay | Stop;

const PATHS: Record<FaultyFile, RegExp> = {
  log: /\.log$/,
  index: /\.idx$/,
  anchor: /\/anchor$/,
  state: /\/state$/,
  any: /(?:)/,
};

/** Plans a fault on the machine as it is now; answers what takes it back, wherever the machine is by then. */
export function planFault(machine: { readonly vfs: MemoryVfs }, fault: MemoryFault): () => void {
  const { vfs } = machine;
  switch (fault.fault) {
    case "writeFails":
      return at(vfs, fault, "write", failedWrite(fault.leaves ?? "nothing"));
    case "syncFails":
      return at(vfs, fault, "sync", { kind: "lostSync" });
    case "syncLies":
      return at(vfs, fault, "sync", { kind: "lyingSync" });
    case "delay":
      return at(vfs, fault, fault.on ?? "write", { kind: "delay", turns: whole("turns", fault.turns, 1) });
    case "diskFull": {
      const used = vfs.paths().reduce((sum, path) => sum + vfs.readWhole(path).length, 0);
      vfs.capacityBytes = used + whole("afterBytes", fault.afterBytes, 0);
      return () => {
        // A full disk is as full after a crash.
        machine.vfs.capacityBytes = Infinity;
      };
    }
    case "stop":
      vfs.crashAt(vfs.operations + whole("nth", fault.nth ?? 1, 1));
      return () => vfs.crashAt(Infinity);
    default:
      throw new TypeError(`Cannot plan a fault: there is none called ${String((fault as MemoryFault).fault)}`);
  }
}

function at(vfs: MemoryVfs, place: FaultPlace, kind: OperationKind, fault: Fault): () => void {
  const path = PATHS[place.file ?? "log"];
  if (path === undefined) throw new TypeError(`Cannot plan a fault: no file is called ${String(place.file)}`);
  const nth = whole("nth", place.nth ?? 1, 1);
  const times = place.times === Infinity ? Infinity : whole("times", place.times ?? 1, 1);
  return vfs.plan({ operation: { kind, path, nth }, fault, times });
}

function failedWrite(leaves: "nothing" | "half" | "everything"): Fault {
  if (leaves === "half") return { kind: "shortWrite", bytes: "half" };
  if (leaves === "everything") return { kind: "errorAfter" };
  if (leaves === "nothing") return { kind: "errorBefore" };
  throw new TypeError(`Cannot plan a fault: leaves must be nothing, half or everything, not ${String(leaves)}`);
}

function whole(name: string, value: number, low: number): number {
  if (Number.isSafeInteger(value) && value >= low) return value;
  throw new RangeError(`Cannot plan a fault: ${name} must be a whole number from ${low}, not ${String(value)}`);
}
