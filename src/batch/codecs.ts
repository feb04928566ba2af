/**
 * The seam to compression: the engine asks for bytes, the adapter has the runtime's own libraries.
 *
 * @module
 */
import type { CodecName } from "./format.ts";

/** A compression codec's name as Kafka numbers them, without `none`. */
export type Compression = Exclude<CodecName, "none">;

/** No batch may unpack to more: protects against decompression bombs. In bytes. */
export const MAX_UNPACKED_BYTES: number = 256 * 1024 * 1024;

/** Decompression as the running program offers it. */
export interface Codecs {
  /**
   * Unpacks `data`, or answers `undefined` where the codec is not available.
   *
   * @param codec The codec of the batch.
   * @param data The compressed records.
   * @param maxBytes Most bytes that may come out; more is an error, and no more memory than that is taken.
   */
  decompress(codec: Compression, data: Uint8Array, maxBytes: number): Uint8Array | undefined;
}

/** Knows no codec: every compressed batch is `UNSUPPORTED`. */
export const noCodecs: Codecs = { decompress: () => undefined };
