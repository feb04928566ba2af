/**
 * Writes a log as the partitions of a Kafka broker: the same records at the same offsets, with what a broker needs beside them.
 *
 * @module
 */
import { EPOCH_AT } from "../batch/format.ts";
import { writeI32 } from "../bytes.ts";
import { asLogError, LogError } from "../errors.ts";
import { isTopic } from "../log/manifest.ts";
import type { Engine } from "../options.ts";
import { writeNew } from "../recovery/whole_file.ts";
import { logPath } from "../segment/names.ts";
import {
  CLEAN_SHUTDOWN,
  LEADER_EPOCHS,
  LOG_STARTS,
  readOffsets,
  RECOVERY_POINTS,
  writeLeaderEpoch,
  writeOffsets,
  writeText,
} from "./checkpoints.ts";
import { HandedProducers } from "./handed_producers.ts";
import { handoverSteps } from "./handover_steps.ts";
import { checkBroker, clearPartition, makeEmpty } from "./handover_target.ts";
import type { HandedPartition, HandoverOptions, HandoverReport } from "./handover_types.ts";
import { KafkaIndex } from "./kafka_index.ts";
import { copySegment } from "./segment_copy.ts";
import { manifestOf, openSource, type SourceShard } from "./source_shard.ts";

/** In the directory of a finished handover. */
const STEPS_NAME = "steps.txt";
/** As a broker writes it that never was part of a cluster. */
const NO_BROKER_EPOCH = '{"version":0,"brokerEpoch":-1}';

/** Hands over the log in `directory` on the given engine; `handoverToKafka` of the entry calls it with the runtime's. */
export async function handOver(
  engine: Engine,
  directory: string,
  out: string,
  options: HandoverOptions,
): Promise<HandoverReport> {
  const { topic } = options;
  if (topic !== undefined && !isTopic(topic)) {
    throw new RangeError("Cannot hand over: topic must be 1–249 characters of a-z A-Z 0-9 . _ -, and not . or ..");
  }
  try {
    return await new Handover(engine, directory, out, options).run();
  } catch (error) {
    throw asLogError(error, `hand over the log in ${directory}`);
  }
}

class Handover {
  readonly #engine: Engine;
  readonly #directory: string;
  readonly #out: string;
  readonly #options: HandoverOptions;
  #done = 0;

  constructor(engine: Engine, directory: string, out: string, options: HandoverOptions) {
    this.#engine = engine;
    this.#directory = directory;
    this.#out = out;
    this.#options = options;
  }

  async run(): Promise<HandoverReport> {
    const { vfs } = this.#engine;
    const { into = false } = this.#options;
    const manifest = await manifestOf(this.#engine, this.#directory);
    const topic = this.#options.topic ?? manifest.topic;
    const shards: SourceShard[] = [];
    // All of them are looked at before the first is copied: what cannot be handed over is told at once.
    for (let id = 0; id < manifest.shards; id++) {
      shards.push(await openSource(this.#engine, this.#directory, manifest, id));
    }
    if (into) await checkBroker(vfs, this.#out, topic, manifest.shards);
    else await makeEmpty(vfs, this.#out, "hand over to");
    const recoveryPoints = new Map<string, number>();
    const logStarts = new Map<string, number>();
    const partitions: HandedPartition[] = [];
    for (const shard of shards) {
      partitions.push(await this.#partition(manifest.id, shard, `${this.#out}/${topic}-${shard.id}`));
      recoveryPoints.set(`${topic} ${shard.id}`, shard.nextOffset);
      // As Kafka does: only where the first segment does not say it.
      if (shard.earliest > (shard.bases[0] ?? shard.nextOffset)) logStarts.set(`${topic} ${shard.id}`, shard.earliest);
    }
    await this.#checkpoint(RECOVERY_POINTS, recoveryPoints, topic);
    await this.#checkpoint(LOG_STARTS, logStarts, topic);
    const trimmed = [...logStarts].map(([partition, offset]) => `${partition} ${offset}`);
    const steps = handoverSteps({ topic, partitions: shards.length, out: this.#out, placed: into, trimmed });
    if (!into) {
      await writeText(vfs, `${this.#out}/${CLEAN_SHUTDOWN}`, NO_BROKER_EPOCH);
      await writeText(vfs, `${this.#out}/${STEPS_NAME}`, steps);
    }
    await vfs.syncDirectory(this.#out);
    return { topic, partitions, steps };
  }

  async #partition(logId: Uint8Array, shard: SourceShard, target: string): Promise<HandedPartition> {
    const { vfs } = this.#engine;
    const { id: partition, earliest, nextOffset, bases } = shard;
    if (this.#options.into) await clearPartition(vfs, target);
    else await vfs.makeDirectory(target);
    let bytes = 0;
    const producers = await HandedProducers.load(vfs, shard.view.directory, logId, partition, nextOffset);
    for (const base of bases) bytes += await this.#segment(shard, base, target, producers);
    await producers.write(target);
    // A partition without a file would begin at 0.
    if (bases.length === 0 && nextOffset > 0) await writeNew(vfs, logPath(target, nextOffset), new Uint8Array(0));
    await writeLeaderEpoch(vfs, `${target}/${LEADER_EPOCHS}`, bases[0] ?? nextOffset);
    await vfs.syncDirectory(target);
    return { partition, directory: target, earliest, nextOffset, segments: bases.length, bytes };
  }

  async #segment(shard: SourceShard, base: number, target: string, producers: HandedProducers): Promise<number> {
    const { vfs } = this.#engine;
    const { view } = shard;
    const from = logPath(view.directory, base);
    const index = new KafkaIndex(base);
    let expected = base;
    const copied = await copySegment({
      vfs,
      from,
      to: logPath(target, base),
      end: await view.limit(base),
      signal: this.#options.signal,
      visit: (batch, at, header, position) => {
        if (view.holes ? header.baseOffset < expected : header.baseOffset !== expected) {
          throw damaged(shard.id, from, position, expected, `its base offset is ${header.baseOffset}, not ${expected}`);
        }
        expected = header.lastOffset + 1;
        // The leader's epoch of a new topic; a committed one of the log's would be ahead of it. No CRC covers it.
        writeI32(batch, at + EPOCH_AT, 0);
        index.add(header, position);
        producers.note(header);
        this.#options.onProgress?.(this.#done += header.bytes);
      },
    });
    if (copied.fault !== undefined) throw damaged(shard.id, from, copied.bytes, expected, copied.fault);
    const { index: offsets, timeIndex } = index.finish();
    const path = logPath(target, base).slice(0, -".log".length);
    await writeNew(vfs, `${path}.index`, offsets);
    await writeNew(vfs, `${path}.timeindex`, timeIndex);
    return copied.bytes;
  }

  /** In a broker's directory the lines of its other topics stay. */
  async #checkpoint(name: string, offsets: ReadonlyMap<string, number>, topic: string): Promise<void> {
    const { vfs } = this.#engine;
    const path = `${this.#out}/${name}`;
    const all = new Map<string, number>();
    if (this.#options.into) {
      for (const [partition, offset] of await readOffsets(vfs, path)) {
        if (!partition.startsWith(`${topic} `)) all.set(partition, offset);
      }
    }
    for (const [partition, offset] of offsets) all.set(partition, offset);
    await writeOffsets(vfs, path, all);
  }
}

function damaged(shard: number, file: string, position: number, offset: number, what: string): LogError {
  return new LogError(
    "CORRUPT_BATCH",
    `Cannot hand over shard ${shard}: the batch at offset ${offset} (${file}, position ${position}) is damaged: ${what}; ` +
      "run bimiplog repair first",
    { shard, file, position, range: [offset, offset] },
  );
}
