/**
 * CRC-32C (Castagnoli), the checksum of Kafka batches and of this log's own files.
 *
 * Three ways, one result: tables for short inputs; WebAssembly in place for bytes of the memory pool; WebAssembly
 * over a copy for everything else. Where WebAssembly or its vectors are refused, tables do it all.
 *
 * @module
 */
import { advanceByTables, CRC32C_TABLES } from "./crc32c_tables.ts";
import { CRC32C_MODULE, CRC32C_SHARED_MODULE } from "./crc32c_wasm.ts";
import { POOL_RESERVED_BYTES, poolMemory } from "./memory_pool.ts";

/**
 * Advances a raw CRC register (the complement of the checksum) over `length` bytes at `address` of the memory it
 * was made for. Addresses outside the memory throw.
 */
export type AdvanceInMemory = (register: number, address: number, length: number) => number;

/** Bytes at the start of a memory that hold the tables, for every instance on that memory. */
export const CRC32C_TABLE_BYTES: number = CRC32C_TABLES.byteLength;
/** Bytes of scratch space an instance needs. */
export const CRC32C_SCRATCH_BYTES: number = 32 * 1024;

// The reserved bytes of the pool: tables, scratch space, and behind them the place that heap bytes are copied to.
const COPY_ADDRESS = 64 * 1024;
const COPY_BYTES: number = POOL_RESERVED_BYTES - COPY_ADDRESS;

/**
 * From here on a call into WebAssembly is faster than tables. 64 bytes take 30–40 ns either way, 100 bytes 42–57 ns
 * against 50–62; the call itself is about 10 ns.
 */
const IN_PLACE_MIN_BYTES = 64;
/**
 * From here on copying into the memory first is faster than tables: making a view and copying take 35–50 ns, which
 * is made up for at about 130 bytes on Node and Deno and at about 250 on Bun, whose tables are the fastest.
 */
const COPY_MIN_BYTES = 256;

/** The first input of this size makes the module; shorter ones before it, such as slots, go by tables. */
const BIND_MIN_BYTES = 4096;

/** `undefined` until an input is long enough (about 2 ms, once), `null` where it was refused. */
let advance: AdvanceInMemory | null | undefined;
let poolBuffer: ArrayBufferLike | undefined;
let copyArea: Uint8Array = new Uint8Array(0);

/**
 * The CRC-32C of `bytes[start]` to `bytes[end - 1]`. Takes a view of any buffer, shared or not, at any alignment.
 *
 * @param start First byte. @default {0}
 * @param end One past the last byte. @default {bytes.length}
 * @returns An unsigned 32-bit number.
 * @throws {RangeError} The range is not within `bytes`.
 */
export function crc32c(bytes: Uint8Array, start = 0, end: number = bytes.length): number {
  return continueCrc32c(0, bytes, start, end);
}

/**
 * The CRC-32C of what `crc` is the checksum of and these bytes behind it, so that a long input can come in pieces.
 *
 * @param crc The checksum so far, 0 before the first piece.
 * @param start First byte. @default {0}
 * @param end One past the last byte. @default {bytes.length}
 * @returns An unsigned 32-bit number.
 * @throws {RangeError} The range is not within `bytes`.
 */
export function continueCrc32c(crc: number, bytes: Uint8Array, start = 0, end: number = bytes.length): number {
  // A range outside the view would read other memory of the pool, where an array would read `undefined`.
  if (start >>> 0 !== start || end >>> 0 !== end || start > end || end > bytes.length) {
    throw new RangeError(`Cannot compute CRC-32C: bytes ${start} to ${end} are not within ${bytes.length} bytes`);
  }
  return ~advanceOver(~crc, bytes, start, end) >>> 0;
}

function advanceOver(register: number, bytes: Uint8Array, start: number, end: number): number {
  const length = end - start;
  if (length < IN_PLACE_MIN_BYTES) return advanceByTables(register, bytes, start, end);
  if (advance === undefined) {
    // Whoever only opens a log and reads little of it need not wait for the module.
    if (length < BIND_MIN_BYTES) return advanceByTables(register, bytes, start, end);
    advance = bindPool();
  }
  if (advance === null) return advanceByTables(register, bytes, start, end);
  // The cheap question first: asked for its buffer, a small array has to make one.
  if (bytes.byteOffset >= POOL_RESERVED_BYTES && bytes.buffer === poolBuffer) {
    return advance(register, bytes.byteOffset + start, length);
  }
  if (length < COPY_MIN_BYTES) return advanceByTables(register, bytes, start, end);
  let state = register;
  for (let at = start; at < end; at += COPY_BYTES) {
    const size = Math.min(COPY_BYTES, end - at);
    copyArea.set(size === bytes.length ? bytes : bytes.subarray(at, at + size));
    state = advance(state, COPY_ADDRESS, size);
  }
  return state;
}

function bindPool(): AdvanceInMemory | null {
  const memory = poolMemory();
  if (memory === null) return null;
  poolBuffer = memory.buffer;
  copyArea = new Uint8Array(poolBuffer, COPY_ADDRESS, COPY_BYTES);
  return bindCrc32c(memory, CRC32C_TABLE_BYTES);
}

/**
 * Makes the WebAssembly function for a memory, shared or not; `null` where modules or their vectors are refused.
 * It writes the tables to the first {@linkcode CRC32C_TABLE_BYTES} bytes, the same ones whoever else does so too.
 *
 * @param memory One with a maximum; nobody may grow it.
 * @param scratchAddress Where {@linkcode CRC32C_SCRATCH_BYTES} bytes behind the tables are this instance's alone:
 * threads that share a memory each need their own. A multiple of 16.
 * @throws {RangeError} The scratch space is not aligned, or not between the tables and the memory's end.
 * @throws {WebAssembly.LinkError} The memory has no maximum.
 */
export function bindCrc32c(memory: WebAssembly.Memory, scratchAddress: number): AdvanceInMemory | null {
  const { buffer } = memory;
  const lastAddress = buffer.byteLength - CRC32C_SCRATCH_BYTES;
  if (scratchAddress % 16 !== 0 || !(scratchAddress >= CRC32C_TABLE_BYTES && scratchAddress <= lastAddress)) {
    throw new RangeError(`Cannot bind CRC-32C: address ${scratchAddress} has no room for its scratch space`);
  }
  const text = buffer instanceof ArrayBuffer ? CRC32C_MODULE : CRC32C_SHARED_MODULE;
  let exports: WebAssembly.Exports;
  try {
    ({ exports } = new WebAssembly.Instance(new WebAssembly.Module(decodeBase64(text)), {
      crc32c: { memory, scratch: scratchAddress },
    }));
  } catch (error) {
    if (error instanceof WebAssembly.LinkError) throw error;
    return null;
  }
  new Int32Array(buffer, 0, CRC32C_TABLES.length).set(CRC32C_TABLES);
  return exports.advance as AdvanceInMemory;
}

function decodeBase64(text: string): Uint8Array<ArrayBuffer> {
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i);
  return bytes;
}
