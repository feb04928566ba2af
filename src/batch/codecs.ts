/**
 * The seam to compression: the engine asks for bytes, the adapter has the runtime's own libraries.
 *
 * @module
 */
import { LogError } from "../errors.ts";
import type { CodecName } from "./format.ts";

/** A compression codec's name as Kafka numbers them, without `none`. */
export type Compression = Exclude<CodecName, "none">;

/** No batch may unpack to more: protects against decompression bombs. In bytes. */
export const MAX_UNPACKED_BYTES: number = 256 * 1024 * 1024;

/** Compression as the running program offers it. */
export interface Codecs {
  /**
   * Unpacks `data`, or answers `undefined` where the codec is not available.
   *
   * @param codec The codec of the batch.
   * @param data The compressed records.
   * @param maxBytes Most bytes that may come out; more is an error, and no more memory than that is taken.
   */
  decompress(codec: Compression, data: Uint8Array, maxBytes: number): Uint8Array | undefined;
  /**
   * Packs `data`, or answers `undefined` where the codec is not available. Absent: nothing can be packed.
   *
   * @param codec The codec of the batch.
   * @param data The records of a batch, one behind the other; used only until the call returns.
   */
  compress?(codec: Compression, data: Uint8Array): Uint8Array | undefined;
}

/** What brings a codec that is not available. */
const REMEDIES: Readonly<Record<Compression, string>> = {
  gzip: "give openLog a `codecs` option that has it",
  zstd: "Node has it from 22.15 on",
  lz4: "run `npm install lz4-napi`, or give openLog `codecs: codecsWith({ lz4 })`",
  snappy: "run `npm install snappy`, or give openLog `codecs: codecsWith({ snappy })`",
};

/** The failure of something that needs a codec which is not there. */
export function missingCodec(action: string, codec: Compression): LogError {
  return new LogError("UNSUPPORTED", `Cannot ${action}: codec ${codec} is not available here; ${REMEDIES[codec]}`);
}

/** Knows no codec: every compressed batch is `UNSUPPORTED`. */
export const noCodecs: Codecs = { decompress: () => undefined };
