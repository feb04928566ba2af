/**
 * Checks of a ready-to-write blob before a shard takes it.
 *
 * @module
 */
import { readI32 } from "../bytes.ts";
import { LogError } from "../errors.ts";
import { noCodecs } from "./codecs.ts";
import { wasFinishedHere } from "./finished_blobs.ts";
import {
  batchBytesAt,
  batchFault,
  CODEC_MASK,
  CONTROL,
  DELETE_HORIZON,
  headerFault,
  LAST_OFFSET_DELTA_AT,
  readHeader,
  UNKNOWN_ATTRIBUTES,
} from "./format.ts";
import { RecordDecoder } from "./record_decoder.ts";

function invalid(why: string): LogError {
  return new LogError("BATCH_INVALID", `Cannot append a batch: ${why}; build it with BatchBuilder`);
}

/**
 * Makes sure that `blob` is exactly one finished batch whose offsets are consecutive from 0: magic, length, CRC, count,
 * and each record of an uncompressed one.
 *
 * @returns How many offsets it takes.
 * @throws {LogError} `BATCH_INVALID`, or `UNSUPPORTED` for attribute bits without a known meaning.
 */
export function validateBlob(blob: Uint8Array): number {
  return validateCopy(blob, 0, blob);
}

/** Throws a `TypeError` where a caller gives something else for a blob. */
export function assertBlob(blob: unknown): void {
  if (!(blob instanceof Uint8Array)) throw new TypeError("Cannot append a batch: it must be a Uint8Array");
}

/** The part of the check that costs nothing, before memory is taken for a blob. Answers how many offsets it asks for. */
export function validateBlobHeader(blob: Uint8Array): number {
  assertBlob(blob);
  const fault = headerFault(blob, 0, blob.length);
  if (fault !== undefined) throw invalid(fault);
  return readI32(blob, LAST_OFFSET_DELTA_AT) + 1;
}

/** As {@linkcode validateBlob}, for the copy of a blob at `at` of `bytes`, where nobody changes it any more. */
export function validateCopy(bytes: Uint8Array, at: number, blob: Uint8Array): number {
  const fault = batchFault(bytes, at, blob.length);
  if (fault !== undefined) throw invalid(fault);
  const spare = blob.length - batchBytesAt(bytes, at);
  if (spare !== 0) throw invalid(`${spare} bytes follow it`);
  const header = readHeader(bytes, at);
  if ((header.attributes & UNKNOWN_ATTRIBUTES) !== 0 || (header.attributes & CODEC_MASK) > 4) {
    throw new LogError(
      "UNSUPPORTED",
      `Cannot append a batch: attributes 0x${header.attributes.toString(16)} are unknown`,
    );
  }
  if ((header.attributes & (CONTROL | DELETE_HORIZON)) !== 0) throw invalid("only a broker writes control batches");
  const offsets = header.lastOffset - header.baseOffset + 1;
  if (header.count === 0) throw invalid("it has no record");
  if (header.count !== offsets) throw invalid(`it has ${header.count} records for ${offsets} offsets`);
  if ((header.attributes & CODEC_MASK) === 0 && !wasFinishedHere(blob, header.crc)) {
    const decoder = new RecordDecoder(bytes, at, noCodecs);
    while (decoder.next());
    if (decoder.fault !== undefined) throw invalid(decoder.fault);
  }
  return offsets;
}
