/** Batches of producers: new ones, ones that are there already, ones that a crash took, and ones that do not follow. */
import { BatchBuilder } from "../../src/batch/batch_builder.ts";
import { LogError } from "../../src/errors.ts";
import { BACKPRESSURE, type Shard } from "../../src/shard/shard_types.ts";
import type { Made } from "./records.ts";
import type { Simulation } from "./simulation.ts";
import { ensure } from "./violation.ts";

/** A batch that a shard has taken. */
export interface Produced {
  readonly epoch: number;
  readonly sequence: number;
  readonly made: readonly Made[];
  readonly base: number;
}

const IDS: readonly number[] = [1, 2 ** 52];
/** A shard recognizes so many last ones. */
const REMEMBERED = 5;

function pack(id: number, epoch: number, sequence: number, made: readonly Made[]): Uint8Array {
  const batch = new BatchBuilder({ producer: { id, epoch, sequence } });
  for (const { input, expected } of made) batch.add({ ...input, timestamp: expected.timestamp });
  return batch.finish();
}

/** Waits for a shard that has to look up its producers first. `undefined`: refused, or the machine has stopped. */
async function send(sim: Simulation, shard: Shard, blob: Uint8Array): Promise<number | undefined> {
  for (let left = 3; left > 0; left--) {
    sim.takeWaiting();
    const base = sim.attempt(() => shard.tryAppendBatch(blob), "produce");
    if (base === undefined || base !== BACKPRESSURE) return base;
    sim.tally.add("operation: producer waits");
    const room = sim.attempt(() => shard.writable(), "writable");
    if (room === undefined || await sim.result(room.then(() => true), "writable") === undefined) return undefined;
  }
  return undefined;
}

/** A producer sends a batch; the model knows what has to become of it. */
export async function produce(sim: Simulation): Promise<void> {
  const { random } = sim;
  const shard = sim.anyShard();
  const model = sim.models[shard.id];
  const id = random.pick(IDS);
  let known = model.produced.get(id);
  if (known === undefined) model.produced.set(id, known = []);
  const last = known.at(-1);
  const draw = random.below(10);
  if (last !== undefined && draw < 4) {
    const again = random.pick(known.slice(-REMEMBERED).filter(({ epoch }) => epoch === last.epoch));
    const base = await send(sim, shard, pack(id, again.epoch, again.sequence, again.made));
    if (base === undefined) return;
    sim.tally.add("producer: sent again");
    return ensure(base === again.base, () => `a batch at ${again.base} was sent again and is at ${base}`);
  }
  const made = Array.from({ length: 1 + random.below(3) }, () => sim.maker.make(sim.clock.now()));
  const isNewEpoch = last !== undefined && draw === 9;
  const epoch = (last?.epoch ?? 0) + (isNewEpoch ? 1 : 0);
  const sequence = last === undefined || isNewEpoch ? 0 : last.sequence + last.made.length;
  if (last !== undefined && draw === 8) return await sendWrong(sim, shard, pack(id, epoch, sequence + 1, made));
  const blob = pack(id, epoch, sequence, made);
  if (blob.length > (sim.settings.options.maxBufferPerShard ?? Infinity)) return;
  const base = await send(sim, shard, blob);
  if (base === undefined) return;
  sim.tally.add("producer: taken");
  made.forEach(({ expected }, i) => model.take(base + i, expected));
  known.push({ epoch, sequence, made, base });
}

/** A gap must be refused, also where a crash has just taken what was in front of it. */
async function sendWrong(sim: Simulation, shard: Shard, blob: Uint8Array): Promise<void> {
  let refusal: unknown;
  const base = await send(sim, {
    ...shard,
    writable: (options) => shard.writable(options),
    tryAppendBatch: () => {
      try {
        return shard.tryAppendBatch(blob);
      } catch (error) {
        const isConflict = error instanceof LogError && error.reason === "OUT_OF_ORDER_SEQUENCE_NUMBER";
        if (!isConflict) throw error;
        refusal = error;
        return -1;
      }
    },
  }, blob);
  if (base === undefined) return;
  sim.tally.add("producer: refused");
  ensure(refusal !== undefined, () => `a batch with a gap in its sequence was taken at ${base}`);
}
