/**
 * Decompression with what every runtime brings along: `node:zlib`.
 *
 * @module
 */
import * as zlib from "node:zlib";
import type { Codecs, Compression } from "../src/batch/codecs.ts";

/** gzip everywhere; zstd where the runtime has it; lz4 and snappy nowhere. */
export const runtimeCodecs: Codecs = {
  decompress(codec: Compression, data: Uint8Array, maxBytes: number): Uint8Array | undefined {
    const options = { maxOutputLength: maxBytes };
    if (codec === "gzip") return zlib.gunzipSync(data, options);
    if (codec === "zstd" && typeof zlib.zstdDecompressSync === "function") {
      return zlib.zstdDecompressSync(data, options);
    }
    return undefined;
  },
};
