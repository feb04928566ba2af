/**
 * Page-aligned memory for batches: one WebAssembly memory a process (a thread, strictly), handed out in runs of
 * 64 KiB. What lies in it is checksummed in place and can be written with O_DIRECT, which ordinary arrays, aligned
 * to 8 or 16 bytes, cannot.
 *
 * The memory never grows: growing would detach every view, those of writes in flight too. Its whole size is
 * declared at once instead; pages that nobody has touched cost address space and nothing else. The lowest free
 * address is handed out first, so that few pages are ever touched.
 *
 * @module
 */

const UNIT_BYTES = 64 * 1024;
/** Room for the log's default buffer limit of 128 MiB, for what its chunks have beyond what they hold, and for readers. */
const POOL_BYTES = 256 * 1024 * 1024;
/**
 * Bun copies on the calling thread what it writes from, or reads into, unshared WebAssembly memory: 40 µs a MiB, and as much memory
 * again. Out of shared memory it writes as Node does; there and on Deno a shared one makes copying values into it slower.
 */
const IS_SHARED = "Bun" in globalThis;

/** Bytes at the start of the memory that are never handed out: the checksum's tables and scratch space. */
export const POOL_RESERVED_BYTES: number = 5 * UNIT_BYTES;

/** A run of memory, its holder's alone until it is released. */
export interface Region {
  /** The whole run, at least as long as asked for. It holds whatever the previous holder left. */
  readonly bytes: Uint8Array;
  /** Byte address in the pool's memory, a multiple of 65,536; -1 when the region is ordinary heap memory. */
  readonly address: number;
}

/** See {@linkcode poolViews}. */
export interface PoolViews {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

class HeldRegion implements Region {
  readonly bytes: Uint8Array;
  readonly address: number;
  held = true;

  constructor(bytes: Uint8Array, address: number) {
    this.bytes = bytes;
    this.address = address;
  }
}

/** A byte a unit, 1 = taken: searched with `indexOf`, which the runtimes implement natively. */
const units = new Uint8Array(POOL_BYTES / UNIT_BYTES).fill(1, 0, POOL_RESERVED_BYTES / UNIT_BYTES);
let unitsInUse = 0;
/** `undefined` until first asked for, `null` where it was refused. */
let memory: WebAssembly.Memory | null | undefined;
let views: PoolViews | undefined;

/** The pool's memory, created at the first call; `null` where WebAssembly, or this much address space, is refused. */
export function poolMemory(): WebAssembly.Memory | null {
  if (memory === undefined) {
    const pages = POOL_BYTES / UNIT_BYTES;
    try {
      memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: IS_SHARED });
    } catch {
      memory = null;
    }
  }
  return memory;
}

/**
 * All of the pool's memory as one object, with a view for numbers: who appends to many shards in turn finds it in the processor's cache.
 * Only for regions that have an address.
 */
export function poolViews(): PoolViews {
  return views ??= makeViews(poolMemory()!.buffer);
}

function makeViews(buffer: ArrayBufferLike): PoolViews {
  return { bytes: new Uint8Array(buffer), view: new DataView(buffer) };
}

/**
 * Takes a region. Where the pool is exhausted or refused it is ordinary heap memory, with the address -1.
 *
 * Do not post a region's bytes to a worker: a clone of a view copies the whole memory behind it.
 *
 * @param minBytes Bytes needed, from 0; rounded up to a multiple of 65,536, and at least that.
 * @throws {RangeError} `minBytes` is not a safe integer ≥ 0.
 */
export function acquireRegion(minBytes: number): Region {
  const count = unitsFor(minBytes);
  const unit = findFree(count);
  const pool = unit === -1 ? null : poolMemory();
  if (pool === null) return heapRegion(count);
  units.fill(1, unit, unit + count);
  unitsInUse += count;
  const address = unit * UNIT_BYTES;
  return new HeldRegion(new Uint8Array(pool.buffer, address, count * UNIT_BYTES), address);
}

/**
 * The same for bytes that a program gets to see: never of shared memory, which some functions refuse, such as `crypto.subtle.digest`.
 *
 * @throws {RangeError} `minBytes` is not a safe integer ≥ 0.
 */
export function acquireVisibleRegion(minBytes: number): Region {
  return IS_SHARED ? heapRegion(unitsFor(minBytes)) : acquireRegion(minBytes);
}

/**
 * Gives a region back. Its memory may be handed out again at once: no view of it is used afterwards, and no write
 * from it is in flight.
 *
 * @throws {TypeError} The region was released before, or is not from {@linkcode acquireRegion}.
 */
export function releaseRegion(region: Region): void {
  if (!(region instanceof HeldRegion)) throw new TypeError("Cannot release the region: it is not from this pool");
  if (!region.held) throw new TypeError("Cannot release the region: it was released before");
  region.held = false;
  if (region.address === -1) return;
  const unit = region.address / UNIT_BYTES;
  const count = region.bytes.length / UNIT_BYTES;
  units.fill(0, unit, unit + count);
  unitsInUse -= count;
}

function heapRegion(count: number): Region {
  return new HeldRegion(new Uint8Array(count * UNIT_BYTES), -1);
}

function unitsFor(minBytes: number): number {
  if (!Number.isSafeInteger(minBytes) || minBytes < 0) {
    throw new RangeError(`Cannot acquire a region: the size must be a safe integer from 0, not ${String(minBytes)}`);
  }
  return Math.max(1, Math.ceil(minBytes / UNIT_BYTES));
}

/** Bytes of the pool that are handed out; heap regions do not count. */
export function poolBytesInUse(): number {
  return unitsInUse * UNIT_BYTES;
}

/** The first run of `count` free units, or -1. */
function findFree(count: number): number {
  let start = units.indexOf(0);
  if (count === 1) return start;
  while (start !== -1 && start + count <= units.length) {
    const taken = units.indexOf(1, start);
    if (taken === -1 || taken - start >= count) return start;
    start = units.indexOf(0, taken);
  }
  return -1;
}
