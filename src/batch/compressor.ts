/**
 * Packs the records of a batch when it is sealed.
 *
 * @module
 */
import { type Codecs, type Compression, missingCodec, noCodecs } from "./codecs.ts";
import { type CodecName, CODECS } from "./format.ts";

/** One codec, known to be there. */
export interface Compressor {
  /** What the batch's attributes say of it. */
  readonly attributes: number;
  /** Packs the records of one batch. */
  pack(records: Uint8Array): Uint8Array;
}

/** Something to see by whether a codec is there. */
const PROBE: Uint8Array = new Uint8Array(64);

let providedCodecs: Codecs = noCodecs;

/** Called once by the package's entries: what builders of batches use where they are given nothing else. */
export function provideCodecs(codecs: Codecs): void {
  providedCodecs = codecs;
}

/**
 * The compressor that an option `compression` asks for; `undefined` for none.
 *
 * @param action What the caller wants to do, for messages.
 * @throws {RangeError} where there is no such codec.
 * @throws {LogError} `UNSUPPORTED` where it is not available here.
 */
export function compressorFor(
  name: CodecName | undefined,
  action: string,
  codecs: Codecs = providedCodecs,
): Compressor | undefined {
  if (name === undefined || name === "none") return undefined;
  const attributes = CODECS.indexOf(name);
  if (attributes < 0) {
    throw new RangeError(`Cannot ${action}: compression must be one of ${CODECS.join(", ")}, not ${String(name)}`);
  }
  const codec: Compression = name;
  const pack = (records: Uint8Array): Uint8Array => {
    const packed = codecs.compress?.(codec, records);
    if (packed === undefined) throw missingCodec(action, codec);
    return packed;
  };
  pack(PROBE);
  return { attributes, pack };
}
