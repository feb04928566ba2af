/**
 * Snappy in the framing that Kafka's Java client writes, and plain snappy, which others write: a package does the work, its output is
 * bounded here.
 *
 * @module
 */

/** What is used of the package `snappy`. */
export interface SnappyPackage {
  /** Packs into one raw block. */
  // deno-lint-ignore no-explicit-any
  compressSync(data: any): Uint8Array;
  /** Unpacks one raw block. */
  // deno-lint-ignore no-explicit-any
  uncompressSync(data: any, options?: any): any;
}

/** `82 "SNAPPY" 00`, version 1, compatible with 1. */
const FRAME_HEADER: Uint8Array = Uint8Array.of(0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1);
/** Bytes of each block before it is packed, as Java's stream has it. */
const BLOCK_BYTES = 32 * 1024;
/** Three bytes of a packed block stand for no more than 64. */
const MAX_RATIO = 22;

/** Packs bytes into frames. */
export function packSnappy(snappy: SnappyPackage, data: Uint8Array): Uint8Array {
  const blocks: Uint8Array[] = [];
  let size = FRAME_HEADER.length;
  for (let from = 0; from < data.length; from += BLOCK_BYTES) {
    const block = snappy.compressSync(data.subarray(from, from + BLOCK_BYTES));
    blocks.push(block);
    size += 4 + block.length;
  }
  const packed = new Uint8Array(size);
  packed.set(FRAME_HEADER);
  const view = new DataView(packed.buffer);
  let at = FRAME_HEADER.length;
  for (const block of blocks) {
    view.setInt32(at, block.length);
    packed.set(block, at + 4);
    at += 4 + block.length;
  }
  return packed;
}

/** Unpacks frames, or one raw block, of at most `maxBytes` together. */
export function unpackSnappy(snappy: SnappyPackage, data: Uint8Array, maxBytes: number): Uint8Array {
  const blocks = blocksOf(data);
  const sizes = blocks.map(unpackedBytes);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  if (total > maxBytes) throw new RangeError(`it unpacks to ${total} bytes, more than ${maxBytes}`);
  const unpacked = new Uint8Array(total);
  let at = 0;
  blocks.forEach((block, i) => {
    const piece = snappy.uncompressSync(block, { asBuffer: true }) as Uint8Array;
    if (piece.length !== sizes[i]) throw new RangeError("a block has not the size that it says");
    unpacked.set(piece, at);
    at += piece.length;
  });
  return unpacked;
}

function blocksOf(data: Uint8Array): Uint8Array[] {
  const isFramed = FRAME_HEADER.subarray(0, 8).every((byte, i) => data[i] === byte);
  if (!isFramed) return [data];
  if (data.length < FRAME_HEADER.length) throw new RangeError("its frame header is cut");
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const blocks: Uint8Array[] = [];
  let at = FRAME_HEADER.length;
  while (at < data.length) {
    if (at + 4 > data.length) throw new RangeError("its last block is cut");
    const size = view.getInt32(at);
    at += 4;
    if (size < 0 || size > data.length - at) throw new RangeError(`a block claims ${size} bytes`);
    blocks.push(data.subarray(at, at + size));
    at += size;
  }
  return blocks;
}

/** The size that a raw block says it unpacks to; one that it cannot reach is refused. */
function unpackedBytes(block: Uint8Array): number {
  let size = 0;
  for (let i = 0; i < 5; i++) {
    const byte = block[i];
    if (byte === undefined) break;
    size += (byte & 0x7f) * 2 ** (7 * i);
    if (byte <= 0x7f) {
      if (size > block.length * MAX_RATIO) break;
      return size;
    }
  }
  throw new RangeError("a block does not say a size that it can have");
}
