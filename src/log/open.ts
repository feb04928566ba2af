/**
 * Opens a log: lock, manifest, shards.
 *
 * @module
 */
import { type InstanceIds, instanceIds } from "../anchor/anchor.ts";
import { asLogError, LogError } from "../errors.ts";
import { type Engine, type OpenOptions, resolveLimits, resolveShards } from "../options.ts";
import { type Compressor, compressorFor } from "../batch/compressor.ts";
import { resolveRetention, type RetentionPolicy } from "../retention/retention_options.ts";
import { SpaceGuard } from "../retention/space_guard.ts";
import type { Budget } from "../shard/budget.ts";
import type { Flushable } from "../shard/shard_context.ts";
import { ShardWriter } from "../shard/shard_writer.ts";
import { knownDisk } from "../shard/known_disk.ts";
import { WriteModeChoice } from "../shard/write_mode.ts";
import { type Tell, tellTo } from "../telemetry/logger.ts";
import { clampConsumers } from "./consumer_context.ts";
import { FlushTimer } from "./flush_timer.ts";
import { takeLock } from "./lock.ts";
import { EmbeddedLog } from "./log.ts";
import { checkAgreement, loadOrCreate, noManifest, refuseForeign } from "./load_manifest.ts";
import { isTopic, type Manifest, MANIFEST_NAMES, readManifest, shardDirectory } from "./manifest.ts";
import { inferManifest } from "./manifest_inference.ts";
import { Producers } from "./producers.ts";
import { openShardForWriting } from "./open_shard.ts";
import { openShardForReading } from "./open_shard_reading.ts";
import type { OpenedShard } from "./opened_shard.ts";
import { networkError } from "./refusals.ts";
import { writeOwner } from "./owner.ts";
import { tellOpening, tellWriteMode } from "./tell_opening.ts";

/** Shards opened at the same time. */
const OPEN_AT_ONCE = 8;
/** Opens the log in `directory` on the given engine; `openLog` of the package's entry calls it with the runtime's. */
export async function openWith(engine: Engine, directory: string, options: OpenOptions): Promise<EmbeddedLog> {
  options.signal?.throwIfAborted();
  const limits = resolveLimits(options);
  const compressor = compressorFor(options.compression, `open the log in ${directory}`, engine.codecs);
  const shards = resolveShards(options);
  const tell = tellTo(options.logger);
  const retention = resolveRetention(options.retention);
  if (options.topic !== undefined && !isTopic(options.topic)) {
    throw new RangeError("Cannot open a log: topic must be 1–249 characters of a-z A-Z 0-9 . _ -, and not . or ..");
  }
  try {
    const log = options.readOnly
      ? await openForReading(engine, directory, options)
      : await openForWriting(engine, directory, options, limits, shards, retention, tell, compressor);
    tellOpening(tell, directory, log.recovery);
    return log;
  } catch (error) {
    throw asLogError(error, `open the log in ${directory}`);
  }
}

async function openForReading(engine: Engine, directory: string, options: OpenOptions): Promise<EmbeddedLog> {
  const { vfs } = engine;
  const found = await readManifest(vfs, directory);
  const manifest = found.manifest ?? await inferManifest(vfs, directory, found.present > 0);
  if (manifest === undefined) throw await noManifest(vfs, directory, found.present);
  checkAgreement(manifest, options, directory);
  const instance = instanceIds(await vfs.instance(directory));
  const opened = await openAll(directory, instance, manifest, options, (place) => openShardForReading(engine, place));
  return new EmbeddedLog({
    engine,
    directory,
    manifest,
    opened,
    timer: undefined,
    lock: undefined,
    durability: options.durability ?? "os",
  });
}

async function openForWriting(
  engine: Engine,
  directory: string,
  options: OpenOptions,
  limits: ReturnType<typeof resolveLimits>,
  shards: number | undefined,
  retention: RetentionPolicy,
  tell: Tell,
  compressor: Compressor | undefined,
): Promise<EmbeddedLog> {
  const { vfs } = engine;
  // A newer format is refused before anything is written, the lock's file included.
  const before = await readManifest(vfs, directory);
  if (before.manifest === undefined) {
    const inferred = await inferManifest(vfs, directory, before.present > 0);
    if (inferred !== undefined) return await openWithoutManifest(engine, directory, options, inferred);
    if (before.present > 0) throw await noManifest(vfs, directory, before.present);
    await refuseForeign(vfs, directory);
    await vfs.makeDirectory(directory);
  }
  const instance = await vfs.instance(directory);
  const { network } = instance;
  if (network !== undefined && !options.allowNetworkFileSystem) throw networkError(directory, network);
  const lock = await takeLock(vfs, directory);
  const opened: OpenedShard[] = [];
  let space: SpaceGuard | undefined;
  try {
    await writeOwner(vfs, directory);
    const manifest = await loadOrCreate(engine, directory, options, shards);
    const timer = new FlushTimer(engine.clock, limits.flushIntervalMs);
    const budget: Budget = { used: 0, max: limits.maxBufferBytes, waiting: new Set() };
    const durability = options.durability ?? "os";
    const context = {
      limits,
      durability,
      retention,
      clock: engine.clock,
      budget,
      ...(compressor === undefined ? {} : { compressor }),
      armTimer: (shard: Flushable) => timer.arm(shard),
      disarmTimer: (shard: Flushable) => timer.disarm(shard),
      overBudget: () => {
        for (const { shard } of opened) if (shard instanceof ShardWriter) shard.requestFlush();
      },
      onError: (error: LogError) => options.onError?.(error),
    };
    const consent = options.acceptDataLoss ?? false;
    // One for all shards: they write to the same disk.
    const writeMode = new WriteModeChoice(
      engine.clock,
      limits.directIo,
      durability === "disk",
      knownDisk(vfs, instance),
      (mode, isRefused) => tellWriteMode(tell, mode, isRefused),
    );
    opened.push(
      ...await openAll(
        directory,
        instanceIds(instance),
        manifest,
        options,
        (place) => openShardForWriting(engine, place, consent, writeMode, context, tell, manifest.shards),
      ),
    );
    const clamps = await clampConsumers(vfs, directory, manifest.id, opened);
    if (limits.minFreeBytes > 0) space = new SpaceGuard(vfs, engine.clock, directory, limits.minFreeBytes, budget);
    await space?.guard(opened.flatMap(({ shard }) => shard instanceof ShardWriter ? [shard] : []));
    const producers = new Producers(limits, durability, engine.clock, manifest.shards, context.onError);
    const { maxBufferBytes } = limits;
    const parts = { engine, directory, manifest, opened, timer, lock, producers, durability, maxBufferBytes };
    // Last: from here on something happens by itself, and nobody may be left behind with it who has lost the lock.
    for (const { shard, dropped = [] } of opened) {
      if (shard instanceof ShardWriter) await shard.trimming.keeper.opened(dropped);
    }
    return new EmbeddedLog({ ...parts, clamps, space });
  } catch (error) {
    space?.stop();
    for (const { shard } of opened) if (shard instanceof ShardWriter) await shard.trimming.keeper.stop();
    await lock.release();
    throw error;
  }
}

/** Holds the lock as a writer does, and writes nothing: what the manifest said is only inferred. */
async function openWithoutManifest(
  engine: Engine,
  directory: string,
  options: OpenOptions,
  manifest: Manifest,
): Promise<EmbeddedLog> {
  const { vfs } = engine;
  checkAgreement(manifest, options, directory);
  const lock = await takeLock(vfs, directory);
  try {
    await writeOwner(vfs, directory);
    const problem = new LogError(
      "CORRUPT_FILE",
      `Cannot write the log in ${directory}: both copies of its manifest are damaged or missing; it is open for reading; ` +
        "bimiplog repair writes them again",
      { file: `${directory}/${MANIFEST_NAMES[0]}` },
    );
    const open = (place: Place): Promise<OpenedShard> => openShardForReading(engine, place, problem);
    const instance = instanceIds(await vfs.instance(directory));
    const opened = await openAll(directory, instance, manifest, options, open);
    return new EmbeddedLog({ engine, directory, manifest, opened, timer: undefined, lock, durability: "os" });
  } catch (error) {
    await lock.release();
    throw error;
  }
}

type Place = Parameters<typeof openShardForReading>[1];

async function openAll(
  directory: string,
  instance: InstanceIds,
  manifest: Manifest,
  options: OpenOptions,
  open: (place: Place) => Promise<OpenedShard>,
): Promise<OpenedShard[]> {
  const opened: OpenedShard[] = [];
  for (let first = 0; first < manifest.shards; first += OPEN_AT_ONCE) {
    options.signal?.throwIfAborted();
    const places: Place[] = [];
    for (let id = first; id < Math.min(first + OPEN_AT_ONCE, manifest.shards); id++) {
      places.push({ directory: shardDirectory(directory, manifest.topic, id), logId: manifest.id, id, instance });
    }
    // All of them come to their end before anybody gives the lock back.
    for (const result of await Promise.allSettled(places.map(open))) {
      if (result.status === "rejected") throw result.reason;
      opened.push(result.value);
    }
  }
  return opened;
}
