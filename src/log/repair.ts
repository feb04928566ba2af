/**
 * The explicit repair of a log: what an opening does not dare to do by itself. No byte of a segment is deleted; what is replaced or
 * cut off is set aside first.
 *
 * @module
 */
import { instanceIds } from "../anchor/anchor.ts";
import { toHex } from "../bytes.ts";
import { asLogError } from "../errors.ts";
import { isMissing } from "../if_there.ts";
import type { Engine, SignalOptions } from "../options.ts";
import { readIntent } from "../recovery/rebuild_intent.ts";
import { carryOut } from "../recovery/rebuild_apply.ts";
import { planShard } from "../recovery/rebuild_plan.ts";
import type { PlanPlace, RepairFinding } from "../recovery/rebuild_types.ts";
import { prepare } from "../recovery/rebuild_write.ts";
import { writeNew } from "../recovery/whole_file.ts";
import type { Vfs } from "../vfs.ts";
import { takeLock } from "./lock.ts";
import {
  decodeManifest,
  encodeManifest,
  type Manifest,
  MANIFEST_NAMES,
  readManifest,
  readManifestFile,
  shardDirectory,
  writeManifest,
} from "./manifest.ts";
import { inferManifest } from "./manifest_inference.ts";
import { noManifest } from "./load_manifest.ts";
import { writeOwner } from "./owner.ts";

/** Options of {@linkcode repairLog}. */
export interface RepairOptions extends SignalOptions {
  /** Repairs. Without it nothing is changed and the report says what would be done. @default {false} */
  apply?: boolean;
  /** Called with the bytes of `.log` files that were looked at so far. */
  onProgress?: (bytes: number) => void;
}

/** What a repair found. */
export interface RepairReport {
  /** In the order of the shards; those of the whole log come first. */
  readonly findings: readonly RepairFinding[];
  /** They were repaired, except those with action `none`. */
  readonly isApplied: boolean;
  readonly shards: number;
}

/** What repairing needs. */
export type RepairTools = Pick<Engine, "vfs" | "codecs" | "random">;

/**
 * Finds what is wrong with the log in `directory`, and repairs it where `apply` says so. Interrupted at any point, it can be run
 * again.
 *
 * @throws {LogError} `LOCKED`, `NOT_A_LOG`, `FORMAT_TOO_NEW`, `CORRUPT_FILE` where nothing says what the log was, `DISK_FULL`, `IO`
 */
export async function repairLog(
  tools: RepairTools,
  directory: string,
  options: RepairOptions = {},
): Promise<RepairReport> {
  try {
    options.signal?.throwIfAborted();
    // A newer format, or no log at all, is refused before anything is written, the lock's file included.
    await findManifest(tools, directory);
    const lock = await takeLock(tools.vfs, directory);
    try {
      await writeOwner(tools.vfs, directory);
      return await repairLocked(tools, directory, options);
    } finally {
      await lock.release();
    }
  } catch (error) {
    throw asLogError(error, `repair the log in ${directory}`);
  }
}

async function repairLocked(tools: RepairTools, directory: string, options: RepairOptions): Promise<RepairReport> {
  const { vfs } = tools;
  const { apply = false, signal, onProgress } = options;
  const manifest = await findManifest(tools, directory);
  const findings = await repairManifest(vfs, directory, manifest, apply);
  const instance = instanceIds(await vfs.instance(directory));
  let bytes = 0;
  const passed = (more: number): void => {
    signal?.throwIfAborted();
    bytes += more;
    onProgress?.(bytes);
  };
  for (let shard = 0; shard < manifest.shards; shard++) {
    signal?.throwIfAborted();
    const place = { directory: shardDirectory(directory, manifest.topic, shard), logId: manifest.id, shard, instance };
    if (await isDirectoryMissing(vfs, place.directory)) {
      findings.push(await repairDirectory(vfs, directory, place, apply));
      continue;
    }
    const interrupted = await carryOn(vfs, place, apply);
    if (interrupted !== undefined) findings.push(interrupted);
    // Half old and half new: only once that is done there is something to look at.
    if (interrupted !== undefined && !apply) continue;
    const plan = await planShard({ vfs, codecs: tools.codecs, passed }, place);
    findings.push(...plan.findings);
    if (!apply || plan.findings.every((finding) => finding.action === "none")) continue;
    await prepare(vfs, plan);
    await carryOut(vfs, place, plan.intent);
  }
  return { findings, isApplied: apply, shards: manifest.shards };
}

/** The manifest, or what it must have been. Where no file names the log's id it gets a new one. */
async function findManifest({ vfs, random }: RepairTools, directory: string): Promise<Manifest> {
  const found = await readManifest(vfs, directory);
  if (found.manifest !== undefined) return found.manifest;
  const inferred = await inferManifest(vfs, directory, found.present > 0);
  if (inferred === undefined) throw await noManifest(vfs, directory, found.present);
  if (!inferred.hasId) random(inferred.id);
  return inferred;
}

/** Both copies are there, intact, and say the same; else both are written, and what was there is kept. */
async function repairManifest(
  vfs: Vfs,
  directory: string,
  manifest: Manifest,
  apply: boolean,
): Promise<RepairFinding[]> {
  const wanted = toHex(encodeManifest(manifest));
  const findings: RepairFinding[] = [];
  for (const name of MANIFEST_NAMES) {
    const file = `${directory}/${name}`;
    const content = await readManifestFile(vfs, file);
    const isThere = content !== undefined && content.length > 0;
    if (isThere && toHex(content) === wanted) continue;
    const isIntact = isThere && decodeManifest(content, file) !== undefined;
    const what = !isThere
      ? "this copy is missing"
      : isIntact
      ? "this copy says something else"
      : "this copy is damaged";
    const keptAside = isThere ? await keepCopy(vfs, directory, name, content, apply) : undefined;
    const remedy = `it is written with topic ${manifest.topic}, ${manifest.shards} shards and id ${toHex(manifest.id)}`;
    findings.push(finding({ file, what, remedy, keptAside, shard: undefined }));
  }
  if (apply && findings.length > 0) await writeManifest(vfs, directory, manifest);
  return findings;
}

/** Keeps the bytes of a damaged copy under a name that is free. */
async function keepCopy(
  vfs: Vfs,
  directory: string,
  name: string,
  content: Uint8Array,
  apply: boolean,
): Promise<string> {
  const names = new Set((await vfs.list(directory)).map((entry) => entry.name));
  let attempt = 0;
  while (names.has(`quarantine-${name}-${attempt}`)) attempt++;
  const path = `${directory}/quarantine-${name}-${attempt}`;
  if (!apply) return path;
  await writeNew(vfs, path, content);
  return path;
}

async function isDirectoryMissing(vfs: Vfs, path: string): Promise<boolean> {
  try {
    await vfs.list(path);
    return false;
  } catch (error) {
    if (isMissing(error)) return true;
    throw error;
  }
}

async function repairDirectory(vfs: Vfs, directory: string, place: PlanPlace, apply: boolean): Promise<RepairFinding> {
  if (apply) {
    await vfs.makeDirectory(place.directory);
    await vfs.syncDirectory(directory);
  }
  const remedy = "it is created, and empty: what it held is lost";
  return finding({ shard: place.shard, file: place.directory, what: "the shard's directory is missing", remedy });
}

/** Goes on with a repair that was interrupted; `undefined` where there is none. */
async function carryOn(vfs: Vfs, place: PlanPlace, apply: boolean): Promise<RepairFinding | undefined> {
  const intent = await readIntent(vfs, place.directory);
  if (intent === undefined) return undefined;
  if (apply) await carryOut(vfs, place, intent);
  const { shard, directory } = place;
  return finding({ shard, file: directory, what: "a repair was interrupted", remedy: "it is carried on first" });
}

function finding(
  fields: Pick<RepairFinding, "shard" | "file" | "what" | "remedy"> & { keptAside?: string | undefined },
): RepairFinding {
  return { position: 0, bytes: 0, range: undefined, action: "rewrite", keptAside: undefined, ...fields };
}
