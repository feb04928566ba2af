/** Changes a batch on disk as a foreign program might: its checksum is right again afterwards. */
import { readFileSync, rmSync } from "node:fs";
import { BATCH_LENGTH_AT, CRC_AT, CRC_FROM, EPOCH_AT } from "../../src/batch/format.ts";
import { crc32c } from "../../src/batch/crc32c.ts";
import { readI32, writeI32 } from "../../src/bytes.ts";
import { concat, referenceBatch, referenceRecord } from "../fixtures/reference_batch.ts";
import { indexOf, overwrite, type StoredBatch } from "../recovery/damage.ts";

/** Makes the checksum of a changed batch right. Its index goes: the row would tell. */
export function reseal(file: string, { position, bytes }: StoredBatch): void {
  const batch = new Uint8Array(readFileSync(file)).slice(position, position + bytes);
  writeI32(batch, CRC_AT, crc32c(batch, CRC_FROM));
  overwrite(file, position, batch);
  rmSync(indexOf(file), { force: true });
}

/** Replaces a batch by one of the same size and offsets that has only the records with these offset deltas. */
export function replaceBatch(file: string, batch: StoredBatch, deltas: readonly number[], timestamp: number): void {
  const { position, bytes, first, last } = batch;
  const old = new Uint8Array(readFileSync(file)).slice(position, position + bytes);
  for (let padding = 0; padding < bytes; padding++) {
    const records = deltas.map((delta, i) =>
      referenceRecord({
        offsetDelta: delta,
        timestampDelta: delta,
        value: new Uint8Array(i === 0 ? padding : 100).fill(120),
      })
    );
    const made = referenceBatch({
      baseOffset: first,
      epoch: readI32(old, EPOCH_AT),
      lastOffsetDelta: last - first,
      baseTimestamp: timestamp,
      maxTimestamp: timestamp + deltas[deltas.length - 1],
      count: deltas.length,
    }, concat(...records));
    if (readI32(made, BATCH_LENGTH_AT) !== readI32(old, BATCH_LENGTH_AT)) continue;
    overwrite(file, position, made);
    rmSync(indexOf(file), { force: true });
    return;
  }
  throw new Error(`no batch of ${bytes} bytes can be made`);
}
