/**
 * The LZ4 frame format, as Kafka uses it: a package does the work, its output is bounded here.
 *
 * @module
 */

/** What is used of the package `lz4-napi`. */
export interface Lz4Package {
  /** Packs into one frame with independent blocks. */
  // deno-lint-ignore no-explicit-any
  compressFrameSync(data: any): Uint8Array;
  /** Unpacks one frame. */
  // deno-lint-ignore no-explicit-any
  decompressFrameSync(data: any): Uint8Array;
}

const MAGIC = 0x184d2204;
const BLOCK_CHECKSUMS = 0x10;
const CONTENT_SIZE = 0x08;
const CONTENT_CHECKSUM = 0x04;
const DICTIONARY_ID = 0x01;
/** Every match repeats at least so many bytes. */
const MIN_MATCH = 4;

/** Packs bytes into one frame. */
export function packLz4(lz4: Lz4Package, data: Uint8Array): Uint8Array {
  return lz4.compressFrameSync(data);
}

/** Unpacks a frame of at most `maxBytes`. */
export function unpackLz4(lz4: Lz4Package, data: Uint8Array, maxBytes: number): Uint8Array {
  const total = frameLength(data);
  if (total > maxBytes) throw new RangeError(`it unpacks to ${total} bytes, more than ${maxBytes}`);
  const unpacked = lz4.decompressFrameSync(data);
  if (unpacked.length !== total) throw new RangeError(`it unpacks to ${unpacked.length} bytes, not ${total}`);
  return unpacked;
}

/** Bytes that a frame unpacks to; its blocks must end exactly where the data does. */
function frameLength(data: Uint8Array): number {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  if (data.length < 7 || view.getUint32(0, true) !== MAGIC) throw new RangeError("it does not begin as an LZ4 frame");
  const flags = data[4];
  const sizeCode = (data[5] >>> 4) & 7;
  if (flags >>> 6 !== 1 || sizeCode < 4) throw new RangeError("its frame header has unknown fields");
  const maxBlockBytes = 1 << (8 + 2 * sizeCode);
  const checksumBytes = (flags & BLOCK_CHECKSUMS) === 0 ? 0 : 4;
  let at = 7 + ((flags & CONTENT_SIZE) === 0 ? 0 : 8) + ((flags & DICTIONARY_ID) === 0 ? 0 : 4);
  let total = 0;
  for (;;) {
    if (at + 4 > data.length) throw new RangeError("its frame has no end");
    const word = view.getUint32(at, true);
    at += 4;
    if (word === 0) break;
    const size = word & 0x7fffffff;
    const isStored = word >>> 31 === 1;
    if (size > data.length - at) throw new RangeError("a block of its frame is cut");
    const length = isStored ? size : blockLength(data, at, at + size);
    if (length > maxBlockBytes) throw new RangeError(`a block unpacks to ${length} bytes, more than its frame allows`);
    total += length;
    at += size + checksumBytes;
  }
  at += (flags & CONTENT_CHECKSUM) === 0 ? 0 : 4;
  if (at !== data.length) throw new RangeError("its frame does not end where the data does");
  return total;
}

/** Bytes that a packed block unpacks to: the lengths of its literals and matches. */
function blockLength(data: Uint8Array, from: number, to: number): number {
  let length = 0;
  let at = from;
  while (at < to) {
    const token = data[at++];
    let literals = token >>> 4;
    if (literals === 15) {
      let more = 255;
      while (more === 255 && at < to) literals += more = data[at++];
    }
    length += literals;
    at += literals;
    // The last sequence has no match.
    if (at >= to) break;
    at += 2;
    let match = token & 15;
    if (match === 15) {
      let more = 255;
      while (more === 255 && at < to) match += more = data[at++];
    }
    length += match + MIN_MATCH;
  }
  return length;
}
