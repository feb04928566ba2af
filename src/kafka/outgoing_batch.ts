/**
 * A stored batch as a broker takes it from a producer.
 *
 * @module
 */
import { BatchBuilder } from "../batch/batch_builder.ts";
import type { Codecs } from "../batch/codecs.ts";
import { crc32c } from "../batch/crc32c.ts";
import {
  ATTRIBUTES_AT,
  BASE_OFFSET_AT,
  BASE_SEQUENCE_AT,
  CRC_AT,
  CRC_FROM,
  DELETE_HORIZON,
  HEADER_BYTES,
  LOG_APPEND_TIME,
  PRODUCER_EPOCH_AT,
  PRODUCER_ID_AT,
  readHeader,
  TRANSACTIONAL,
} from "../batch/format.ts";
import { readHeaders, RecordDecoder } from "../batch/record_decoder.ts";
import { readU16, writeI32, writeI64, writeU16 } from "../bytes.ts";
import { LogError } from "../errors.ts";
import type { ProducerIdentity } from "./wire/requests.ts";

/** Consecutive records of a batch. */
export interface Run {
  /** Offset of the first one in the log. */
  readonly source: number;
  /** How many come before it in the batch. */
  readonly before: number;
}

/** A batch without its producer's fields. */
export interface OutgoingBatch {
  readonly bytes: Uint8Array;
  readonly count: number;
  /** Where offsets of its records make a jump; the first one is its first record. */
  readonly runs: readonly Run[];
}

/**
 * A copy of a stored batch that a broker takes: base offset 0, no transaction. Its records stay as they are, bytes for bytes, unless
 * Kafka itself wrote them in a form that it takes from nobody: with offsets missing, with its own times, or compacted.
 *
 * @throws {LogError} `CORRUPT_BATCH` where its records cannot be decoded, and must be; `UNSUPPORTED` where its codec is missing.
 */
export function outgoingBatch(stored: Uint8Array, codecs: Codecs): OutgoingBatch {
  const header = readHeader(stored, 0);
  const isConsecutive = header.count === header.lastOffset - header.baseOffset + 1;
  if (!isConsecutive || (header.attributes & (LOG_APPEND_TIME | DELETE_HORIZON)) !== 0) return rebuilt(stored, codecs);
  const bytes = stored.slice();
  writeI64(bytes, BASE_OFFSET_AT, 0);
  writeU16(bytes, ATTRIBUTES_AT, readU16(bytes, ATTRIBUTES_AT) & ~TRANSACTIONAL);
  return { bytes, count: header.count, runs: [{ source: header.baseOffset, before: 0 }] };
}

/** Fills in whose batch it is, and the checksum. */
export function stampProducer({ bytes }: OutgoingBatch, producer: ProducerIdentity, sequence: number): void {
  writeI64(bytes, PRODUCER_ID_AT, producer.id);
  writeU16(bytes, PRODUCER_EPOCH_AT, producer.epoch & 0xffff);
  writeI32(bytes, BASE_SEQUENCE_AT, sequence);
  writeI32(bytes, CRC_AT, crc32c(bytes, CRC_FROM, bytes.length));
}

function rebuilt(stored: Uint8Array, codecs: Codecs): OutgoingBatch {
  const decoder = new RecordDecoder(stored, 0, codecs);
  const builder = new BatchBuilder({ maxBytes: 1_073_741_824 });
  const runs: Run[] = [];
  let next = -1;
  while (decoder.next()) {
    if (decoder.offset !== next) runs.push({ source: decoder.offset, before: builder.count });
    next = decoder.offset + 1;
    const { bytes, keyStart, keyBytes, valueStart, valueBytes } = decoder;
    builder.add({
      key: keyBytes < 0 ? null : bytes.subarray(keyStart, keyStart + keyBytes),
      value: valueBytes < 0 ? null : bytes.subarray(valueStart, valueStart + valueBytes),
      headers: readHeaders(bytes, decoder.headersStart, decoder.end, decoder.headersCount),
      timestamp: decoder.timestamp,
    });
  }
  if (decoder.fault !== undefined) {
    const { baseOffset } = decoder.header;
    throw new LogError("CORRUPT_BATCH", `Cannot send the batch at offset ${baseOffset}: ${decoder.fault}`);
  }
  const { count } = builder;
  return { bytes: builder.finish(), count, runs };
}

/**
 * True where a batch that came from a broker holds the records of one that was sent: the same bytes, or, where the broker has packed
 * them anew, the same keys, values and headers.
 */
export function holdsSameRecords(fetched: Uint8Array, sent: Uint8Array, codecs: Codecs): boolean {
  const [theirs, ours] = [readHeader(fetched, 0), readHeader(sent, 0)];
  if (theirs.count !== ours.count) return false;
  const isAppendTime = (theirs.attributes & LOG_APPEND_TIME) !== 0;
  if (!isAppendTime && theirs.maxTimestamp !== ours.maxTimestamp) return false;
  if (equal(fetched.subarray(HEADER_BYTES), sent.subarray(HEADER_BYTES))) return true;
  const [a, b] = [new RecordDecoder(fetched, 0, codecs), new RecordDecoder(sent, 0, codecs)];
  while (a.next()) {
    if (!b.next() || a.keyBytes !== b.keyBytes || a.valueBytes !== b.valueBytes) return false;
    if (!isAppendTime && a.timestamp !== b.timestamp) return false;
    if (!equal(a.bytes.subarray(a.keyStart, a.end), b.bytes.subarray(b.keyStart, b.end))) return false;
  }
  return a.fault === undefined;
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
