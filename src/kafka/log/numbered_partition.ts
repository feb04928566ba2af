/**
 * A partition as named producers see it.
 *
 * @module
 */
import { LogError } from "../../errors.ts";
import { untilAborted } from "../../aborting.ts";
import type { NumberedShard } from "../../log/named_producer.ts";
import { closedError } from "../../shard/refusals.ts";
import type { TakenPlace } from "./partition_producers.ts";
import type { PartitionWriter } from "./partition_writer.ts";

/** See above. */
export function numberedPartition(shard: PartitionWriter): NumberedShard<TakenPlace> {
  return {
    id: shard.id,
    writable: (options) => shard.writable(options),
    load: (id, name, isTold) => load(shard, id, name, isTold),
    last: (id) => shard.producers.last(id),
    take: (batch) => shard.takeBatch(batch),
    offsetOf: ({ baseOffset }) => baseOffset,
    acknowledged: async ({ isAcknowledged, baseOffset }, _count, _rung, { signal }) =>
      isAcknowledged ? baseOffset : await untilAborted(shard.placed(baseOffset), signal),
  };
}

async function load(shard: PartitionWriter, id: number, name: string, isTold: boolean): Promise<void> {
  const { unseenBefore } = await shard.producers.load(id).catch((error: unknown) => {
    throw shard.state === "closed" ? closedError(shard.id) : error;
  });
  if (shard.producers.last(id) !== undefined || unseenBefore === 0 || isTold) return;
  throw new LogError(
    "OFFSET_OUT_OF_RANGE",
    `Cannot make a producer: the records of shard ${shard.id} in front of offset ${unseenBefore} are removed, so nobody can tell ` +
      `whether "${name}" has written there; give firstSequence, the number of its next record`,
    { shard: shard.id, range: [0, unseenBefore - 1] },
  );
}
