/**
 * The content of a simulated file: grows by doubling, and copies share memory until one of them changes.
 *
 * @module
 */

const NOTHING = new Uint8Array(0);
const SMALLEST_CAPACITY_BYTES = 256;

/** Small copies are cut from one piece: an array of its own for each costs more than the copy. */
const SLAB_BYTES = 64 * 1024;
const MAX_CUT_BYTES = 8 * 1024;
let slab: Uint8Array = NOTHING;
let slabUsed = 0;

/** Zeros that nobody else holds. */
export function cut(length: number): Uint8Array {
  if (length > MAX_CUT_BYTES) return new Uint8Array(length);
  if (slabUsed + length > SLAB_BYTES || slab === NOTHING) {
    slab = new Uint8Array(SLAB_BYTES);
    slabUsed = 0;
  }
  const bytes = new Uint8Array(slab.buffer, slabUsed, length);
  slabUsed += length;
  return bytes;
}

/** A copy in plain memory. It is never changed. */
export function copyOf(from: Uint8Array): Uint8Array {
  if (from.length > MAX_CUT_BYTES) return new Uint8Array(from);
  const copy = cut(from.length);
  copy.set(from);
  return copy;
}

/** Growable bytes, copied on write. Whatever lies behind `size` in memory of its own is zero. */
export class Bytes {
  private array: Uint8Array;
  /** Size in bytes. */
  size: number;
  private owned: boolean;
  /** What lies before it was handed out as it is: it changes in another piece of memory only. */
  private frozen = 0;

  private constructor(array: Uint8Array, size: number, owned: boolean) {
    this.array = array;
    this.size = size;
    this.owned = owned;
  }

  static empty(): Bytes {
    return new Bytes(NOTHING, 0, false);
  }

  /** Takes `array` over: the caller no longer changes it. What lies behind `size` is cleared. */
  static take(array: Uint8Array, size: number = array.length): Bytes {
    array.fill(0, size);
    return new Bytes(array, size, true);
  }

  /** The same content; the memory is copied by whichever of the two changes first. */
  share(): Bytes {
    this.owned = false;
    return new Bytes(this.array, this.size, false);
  }

  /** The content in place, valid until the next change. */
  view(): Uint8Array {
    return this.array.subarray(0, this.size);
  }

  /** The content, which never changes any more. Nothing is copied before what is in it now is written over. */
  freeze(): Uint8Array {
    this.frozen = Math.max(this.frozen, this.size);
    return this.view();
  }

  /** A copy of the content. */
  copy(): Uint8Array {
    const copy = new Uint8Array(this.size);
    copy.set(this.view());
    return copy;
  }

  read(into: Uint8Array, position: number): number {
    const count = Math.min(into.length, this.size - position);
    if (count <= 0) return 0;
    into.set(count === this.array.length ? this.array : this.array.subarray(position, position + count));
    return count;
  }

  write(from: Uint8Array, position: number): void {
    const end = position + from.length;
    this.reserve(end, position);
    this.array.set(from, position);
    if (end > this.size) this.size = end;
  }

  resize(size: number): void {
    this.reserve(size, size);
    if (size < this.size) this.array.fill(0, size, this.size);
    this.size = size;
  }

  /** Makes room for so many bytes, of which those from `changed` on may be written. */
  private reserve(bytes: number, changed: number): void {
    const capacity = this.array.length;
    if (this.owned && bytes <= capacity && changed >= this.frozen) return;
    const wanted = bytes <= capacity ? capacity : Math.max(bytes, capacity * 2, SMALLEST_CAPACITY_BYTES);
    const array = cut(wanted);
    if (this.size > 0) array.set(this.size === capacity ? this.array : this.view());
    this.array = array;
    this.owned = true;
    this.frozen = 0;
  }
}
