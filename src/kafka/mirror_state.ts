/**
 * What a mirror keeps of a shard between its runs: who it is to the cluster, and how offsets map. See docs/format.md.
 *
 * @module
 */
import { toHex } from "../bytes.ts";
import { LogError } from "../errors.ts";
import type { Vfs } from "../vfs.ts";
import { DAMAGED, readNote, writeNote } from "./checked_note.ts";
import { OffsetMapping, type Span } from "./offset_mapping.ts";
import type { ProducerIdentity } from "./wire/requests.ts";

const FORMAT = 1;

/** See above. */
export interface MirrorState {
  readonly mapping: OffsetMapping;
  /** The producer that this shard's batches are sent as. */
  producer: ProducerIdentity;
  /** Offset in the topic whose record has the sequence number 0 of that producer. */
  producerStart: number;
}

/** Whose state it is. */
export interface MirrorPlace {
  readonly vfs: Vfs;
  /** Where the file lies. */
  readonly directory: string;
  readonly logId: Uint8Array;
  readonly clusterId: string;
  readonly topic: string;
  readonly shard: number;
}

/** Name of the file: another one for each cluster and topic. */
function nameOf({ clusterId, topic, shard }: MirrorPlace): string {
  const cluster = clusterId.replaceAll(/[^A-Za-z0-9_-]/g, "_") || "unknown";
  return `mirror.${cluster}.${topic}.${shard}`;
}

/** Writes it; it is there whole, and durable, or as it was. */
export async function writeMirrorState(place: MirrorPlace, state: MirrorState): Promise<void> {
  const { vfs, directory, logId, clusterId, topic, shard } = place;
  await writeNote(vfs, directory, nameOf(place), {
    format: FORMAT,
    log: toHex(logId),
    cluster: clusterId,
    topic,
    shard,
    producer: [state.producer.id, state.producer.epoch, state.producerStart],
    spans: state.mapping.spans,
  });
}

/**
 * Reads it; `undefined` where there is none.
 *
 * @throws {LogError} `CORRUPT_FILE` where it is damaged, `CONFLICT` where it is another log's, `FORMAT_TOO_NEW`.
 */
export async function readMirrorState(place: MirrorPlace): Promise<MirrorState | undefined> {
  const path = `${place.directory}/${nameOf(place)}`;
  const found = await readNote(place.vfs, path);
  if (found === undefined) return undefined;
  if (found === DAMAGED) throw damaged(path);
  const note = found as {
    format: number;
    log: string;
    topic: string;
    shard: number;
    producer: [number, number, number];
    spans: Span[];
  };
  if (note.format !== FORMAT) {
    throw new LogError("FORMAT_TOO_NEW", `Cannot read ${path}: its format is ${note.format}; upgrade @bimip/log`, {
      file: path,
    });
  }
  if (note.log !== toHex(place.logId) || note.topic !== place.topic || note.shard !== place.shard) {
    throw new LogError("CONFLICT", `Cannot mirror: ${path} belongs to another log, topic or shard; remove it`, {
      file: path,
    });
  }
  const [id, epoch, producerStart] = note.producer;
  return { producer: { id, epoch }, producerStart, mapping: new OffsetMapping(note.spans) };
}

function damaged(path: string): LogError {
  return new LogError(
    "CORRUPT_FILE",
    `Cannot go on mirroring: ${path} is damaged; remove it, and the mirror finds its place by the topic's last records`,
    { file: path },
  );
}
