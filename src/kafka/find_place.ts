/**
 * Where in a log a topic ends: what a mirror was told by its own file is checked against the topic's last batch; without a file that
 * batch is looked for.
 *
 * @module
 */
import type { Codecs } from "../batch/codecs.ts";
import { batchBytesAt, batchFault, HEADER_BYTES, readHeader } from "../batch/format.ts";
import { LogError } from "../errors.ts";
import type { Log } from "../log/log_types.ts";
import { OffsetMapping } from "./offset_mapping.ts";
import { holdsSameRecords, outgoingBatch } from "./outgoing_batch.ts";
import type { BrokerConnection } from "./wire/connection.ts";
import { requestFetch } from "./wire/requests.ts";

const FETCH_BYTES: number = 1024 * 1024;

/** What is compared. */
export interface PlaceQuery {
  readonly connection: BrokerConnection;
  readonly topic: string;
  readonly log: Log;
  readonly shard: number;
  readonly codecs: Codecs;
  /** What the partition has. */
  readonly target: { readonly earliest: number; readonly end: number };
  /** The mapping that an earlier run stored. */
  readonly known: OffsetMapping | undefined;
}

/**
 * The mapping between shard and partition, which holds up to the partition's end.
 *
 * @throws {LogError} `CONFLICT` where the partition's last batch is not this shard's.
 */
export async function findPlace(query: PlaceQuery): Promise<OffsetMapping> {
  const { log, shard, topic, target, known } = query;
  const { earliest } = log.shard(shard);
  if (target.end === 0) return known ?? new OffsetMapping([[earliest, 0]]);
  if (known !== undefined && !known.knows(target.end)) throw otherWriter(query, "it ends before the mirror began");
  const last = target.earliest < target.end ? await lastBatch(query) : undefined;
  if (known !== undefined) {
    // Nothing to compare with: the topic's retention has taken the last batch, or the log's own has.
    if (last === undefined || known.toSource(target.end) <= earliest) return known;
    if (await isAt(query, last, known)) return known;
    throw otherWriter(query, `its last batch (offset ${target.end - 1}) is not the log's`);
  }
  if (last === undefined) throw otherWriter(query, "it is empty, but was not always, and no file says what it had");
  const equal = new OffsetMapping([[0, 0]]);
  if (earliest < target.end && await isAt(query, last, equal)) return equal;
  const counted = await countUp(query);
  if (counted !== undefined && await isAt(query, last, counted)) return counted;
  throw otherWriter(query, `shard ${shard} of the log has not the batch that ${topic} ends with`);
}

/** The last batch of the partition. */
async function lastBatch({ connection, topic, shard, target }: PlaceQuery): Promise<Uint8Array | undefined> {
  const place = { topic, partition: shard };
  const { bytes } = await requestFetch(connection, place, target.end - 1, FETCH_BYTES);
  let found: Uint8Array | undefined;
  for (let at = 0; at + HEADER_BYTES <= bytes.length; at += batchBytesAt(bytes, at)) {
    if (batchFault(bytes, at, bytes.length - at) !== undefined) break;
    if (readHeader(bytes, at).lastOffset < target.end) found = bytes.subarray(at, at + batchBytesAt(bytes, at));
  }
  return found;
}

/** True where the log's batch for that place is the partition's. */
async function isAt({ log, shard, codecs }: PlaceQuery, last: Uint8Array, mapping: OffsetMapping): Promise<boolean> {
  const { baseOffset, lastOffset } = readHeader(last, 0);
  const from = mapping.toSource(baseOffset);
  if (from < log.shard(shard).earliest || from >= log.shard(shard).written) return false;
  const reader = log.batches({ shard, from, isolation: "committed" });
  try {
    const { value: batch, done } = await reader.next();
    if (done) return false;
    const sent = outgoingBatch(batch.bytes, codecs);
    const first = mapping.toTarget(sent.runs[0].source);
    return first === baseOffset && first + sent.count === lastOffset + 1 && holdsSameRecords(last, sent.bytes, codecs);
  } finally {
    await reader.return?.();
  }
}

/** The mapping of a topic that has had every record of the shard since it was empty; `undefined` where the ends do not meet. */
async function countUp({ log, shard, codecs, target }: PlaceQuery): Promise<OffsetMapping | undefined> {
  const mapping = new OffsetMapping([]);
  let end = 0;
  for await (const batch of log.batches({ shard, isolation: "committed" })) {
    if (end >= target.end) break;
    const { runs, count } = outgoingBatch(batch.bytes, codecs);
    for (const { source, before } of runs) mapping.begin(source, end + before);
    end += count;
  }
  return end === target.end ? mapping : undefined;
}

function otherWriter({ topic, shard }: PlaceQuery, why: string): LogError {
  return new LogError(
    "CONFLICT",
    `Cannot mirror shard ${shard} to partition ${shard} of ${topic}: ${why}; mirror to a topic that nobody else writes to`,
    { shard },
  );
}
