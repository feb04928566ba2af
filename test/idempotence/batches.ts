/** Batches of producers for tests. */
import { BACKPRESSURE, BatchBuilder, type ConflictReason, type Log, LogError, type Shard } from "../../mod.ts";

/** A blob of `count` records whose values say which they are. */
export function produced(id: number, epoch: number, sequence: number, count = 1): Uint8Array {
  const batch = new BatchBuilder({ producer: { id, epoch, sequence } });
  for (let n = 0; n < count; n++) batch.add({ value: `${id}/${epoch}/${sequence + n}` });
  return batch.finish();
}

/** Hands a blob to a shard until it takes it, or refuses it. */
export async function send(shard: Shard, blob: Uint8Array): Promise<number> {
  for (let left = 10; left > 0; left--) {
    const offset = shard.tryAppendBatch(blob);
    if (offset !== BACKPRESSURE) return offset;
    await shard.writable();
  }
  throw new Error("the shard answers BACKPRESSURE although it is writable");
}

/** The same; answers why it was refused. */
export async function answerOf(shard: Shard, blob: Uint8Array): Promise<number | ConflictReason | undefined> {
  try {
    return await send(shard, blob);
  } catch (error) {
    if (!(error instanceof LogError)) throw error;
    return error.reason;
  }
}

/** All values of a log's shard. */
export async function values(log: Log, shard = 0): Promise<string[]> {
  const found: string[] = [];
  for await (const record of log.read({ shard })) found.push(record.text() ?? "");
  return found;
}
