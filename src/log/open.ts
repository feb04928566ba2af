/**
 * Opens a log: lock, manifest, shards.
 *
 * @module
 */
import { instanceIds } from "../anchor/anchor.ts";
import { syncAncestors } from "../backup/ancestors.ts";
import { type Compressor, compressorFor } from "../batch/compressor.ts";
import { asLogError, LogError } from "../errors.ts";
import { type Engine, type OpenOptions, resolveLimits, resolveShards } from "../options.ts";
import type { Budget } from "../shard/budget.ts";
import type { Flushable } from "../shard/shard_context.ts";
import { ShardWriter } from "../shard/shard_writer.ts";
import { WriteModeChoice } from "../shard/write_mode.ts";
import { type Tell, tellTo } from "../telemetry/logger.ts";
import { type DirectoryEntry, type Vfs, VfsError } from "../vfs.ts";
import { clampConsumers } from "./consumer_context.ts";
import { FlushTimer } from "./flush_timer.ts";
import { takeLock } from "./lock.ts";
import { EmbeddedLog } from "./log.ts";
import { isTopic, type Manifest, MANIFEST_NAMES, readManifest, shardDirectory, writeManifest } from "./manifest.ts";
import { inferManifest } from "./manifest_inference.ts";
import { Producers } from "./producers.ts";
import { type OpenedShard, openShardForReading, openShardForWriting } from "./open_shard.ts";
import { missingError, networkError } from "./refusals.ts";
import { writeOwner } from "./owner.ts";
import { tellOpening, tellWriteMode } from "./tell_opening.ts";

/** Shards opened at the same time. */
const OPEN_AT_ONCE = 8;
/** What may be in a directory in which a log is created: traces of a creation that was interrupted, and a mount's own. */
const HARMLESS = new Set([
  "lock",
  "lock.owner",
  "lost+found",
  ...MANIFEST_NAMES.map((name) => `${name}.tmp`),
  ...MANIFEST_NAMES,
]);

/** Opens the log in `directory` on the given engine; `openLog` of the package's entry calls it with the runtime's. */
export async function openWith(engine: Engine, directory: string, options: OpenOptions): Promise<EmbeddedLog> {
  options.signal?.throwIfAborted();
  const limits = resolveLimits(options);
  const compressor = compressorFor(options.compression, `open the log in ${directory}`, engine.codecs);
  const shards = resolveShards(options);
  const tell = tellTo(options.logger);
  if (options.topic !== undefined && !isTopic(options.topic)) {
    throw new RangeError("Cannot open a log: topic must be 1–249 characters of a-z A-Z 0-9 . _ -, and not . or ..");
  }
  try {
    const log = options.readOnly
      ? await openForReading(engine, directory, options)
      : await openForWriting(engine, directory, options, limits, shards, tell, compressor);
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
  const opened = await openAll(vfs, directory, manifest, options, (place) => openShardForReading(engine, place));
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
  const { network } = await vfs.instance(directory);
  if (network !== undefined && !options.allowNetworkFileSystem) throw networkError(directory, network);
  const lock = await takeLock(vfs, directory);
  const opened: OpenedShard[] = [];
  try {
    await writeOwner(vfs, directory);
    const manifest = await loadOrCreate(engine, directory, options, shards);
    const timer = new FlushTimer(engine.clock, limits.flushIntervalMs);
    const budget: Budget = { used: 0, max: limits.maxBufferBytes, waiting: new Set() };
    const durability = options.durability ?? "os";
    const context = {
      limits,
      durability,
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
      (mode, isRefused) => tellWriteMode(tell, mode, isRefused),
    );
    opened.push(
      ...await openAll(
        vfs,
        directory,
        manifest,
        options,
        (place) => openShardForWriting(engine, place, consent, writeMode, context, tell),
      ),
    );
    const producers = new Producers(limits, durability, engine.clock, manifest.shards, context.onError);
    const { maxBufferBytes } = limits;
    const clamps = await clampConsumers(vfs, directory, manifest.id, opened);
    const parts = { engine, directory, manifest, opened, timer, lock, producers, durability, maxBufferBytes, clamps };
    return new EmbeddedLog(parts);
  } catch (error) {
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
    const opened = await openAll(vfs, directory, manifest, options, open);
    return new EmbeddedLog({ engine, directory, manifest, opened, timer: undefined, lock, durability: "os" });
  } catch (error) {
    await lock.release();
    throw error;
  }
}

type Place = Parameters<typeof openShardForReading>[1];

async function openAll(
  vfs: Vfs,
  directory: string,
  manifest: Manifest,
  options: OpenOptions,
  open: (place: Place) => Promise<OpenedShard>,
): Promise<OpenedShard[]> {
  const instance = instanceIds(await vfs.instance(directory));
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

/** The manifest as it stands under the lock, or a new one. A copy that is missing or damaged is written again. */
async function loadOrCreate(
  engine: Engine,
  directory: string,
  options: OpenOptions,
  shards: number | undefined,
): Promise<Manifest> {
  const { vfs } = engine;
  const found = await readManifest(vfs, directory);
  let manifest = found.manifest;
  if (manifest === undefined) {
    const id = new Uint8Array(16);
    engine.random(id);
    const name = directory.slice(directory.lastIndexOf("/") + 1);
    manifest = { id, topic: options.topic ?? (isTopic(name) ? name : "log"), shards: shards ?? 1 };
  } else checkAgreement(manifest, options, directory);
  const present = new Set((await vfs.list(directory)).map((entry) => entry.name));
  const missing = [...Array(manifest.shards).keys()].filter((id) => !present.has(`${manifest.topic}-${id}`));
  // They were durable before there was a manifest: whatever was in them is gone.
  if (found.manifest !== undefined && missing.length > 0 && !options.acceptDataLoss) {
    throw missingError(shardDirectory(directory, manifest.topic, missing[0]), missing[0]);
  }
  for (const id of missing) await vfs.makeDirectory(shardDirectory(directory, manifest.topic, id));
  if (found.intact < MANIFEST_NAMES.length) {
    // The log is there once its manifest is, so everything else comes first, and is durable by then: whoever finds a
    // manifest after a crash does not ask again.
    if (found.manifest === undefined) await syncAncestors(vfs, directory);
    await vfs.syncDirectory(directory);
    await writeManifest(vfs, directory, manifest);
  } else if (missing.length > 0) await vfs.syncDirectory(directory);
  return manifest;
}

function checkAgreement(manifest: Manifest, options: OpenOptions, directory: string): void {
  if (options.shards !== undefined && options.shards !== manifest.shards) {
    throw new LogError(
      "CONFLICT",
      `Cannot open the log in ${directory}: it has ${manifest.shards} shards, not ${options.shards}; their number never changes`,
    );
  }
  if (options.topic !== undefined && options.topic !== manifest.topic) {
    throw new LogError(
      "CONFLICT",
      `Cannot open the log in ${directory}: its topic is ${manifest.topic}, not ${options.topic}`,
    );
  }
}

/** Refuses to create a log among somebody else's files. */
async function refuseForeign(vfs: Vfs, directory: string): Promise<void> {
  let entries: DirectoryEntry[];
  try {
    entries = await vfs.list(directory);
  } catch (error) {
    if (error instanceof VfsError && error.code === "NOT_FOUND") return;
    if (error instanceof VfsError && error.code === "NOT_A_DIRECTORY") throw await noManifest(vfs, directory, 0);
    throw error;
  }
  for (const entry of entries) {
    if (entry.kind !== "directory" || !/-\d+$/.test(entry.name)) continue;
    if ((await vfs.list(`${directory}/${entry.name}`)).length === 0) continue;
    throw new LogError(
      "CORRUPT_FILE",
      `Cannot open the log in ${directory}: ${entry.name} holds data, but the manifest is missing; restore ${
        MANIFEST_NAMES[0]
      }`,
      { file: `${directory}/${MANIFEST_NAMES[0]}` },
    );
  }
  const foreign = entries.find((entry) =>
    !HARMLESS.has(entry.name) && !entry.name.startsWith(".") && entry.kind === "file"
  );
  if (foreign === undefined) return;
  throw new LogError(
    "NOT_A_LOG",
    `Cannot create a log in ${directory}: it holds other files (${foreign.name}); name an empty directory`,
    { file: directory },
  );
}

/** Why there is no log in the directory, or none that can be made out. */
export async function noManifest(vfs: Vfs, directory: string, present: number): Promise<LogError> {
  if (present > 0) {
    return new LogError("CORRUPT_FILE", `Cannot open the log in ${directory}: its manifest is damaged; restore it`, {
      file: `${directory}/${MANIFEST_NAMES[0]}`,
    });
  }
  let why = "there is no log in it";
  try {
    await vfs.list(directory);
  } catch (error) {
    if (error instanceof VfsError && error.code === "NOT_FOUND") why = "there is no such directory";
    else if (error instanceof VfsError && error.code === "NOT_A_DIRECTORY") why = "it is not a directory";
    else throw error;
  }
  return new LogError("NOT_A_LOG", `Cannot open the log in ${directory}: ${why}; check the path`, { file: directory });
}
