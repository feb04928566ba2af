/**
 * The manifest of a log that is being opened: found, made, or missed.
 *
 * @module
 */
import { syncAncestors } from "../backup/ancestors.ts";
import { unfinished } from "../backup/unfinished.ts";
import { LogError } from "../errors.ts";
import { isMissing } from "../if_there.ts";
import type { Engine, OpenOptions } from "../options.ts";
import { type DirectoryEntry, type Vfs, VfsError } from "../vfs.ts";
import { isTopic, type Manifest, MANIFEST_NAMES, readManifest, shardDirectory, writeManifest } from "./manifest.ts";
import { missingError } from "./refusals.ts";

/** What may be in a directory in which a log is created: traces of a creation that was interrupted, and a mount's own. */
const HARMLESS = new Set([
  "lock",
  "lock.owner",
  "lost+found",
  ...MANIFEST_NAMES.map((name) => `${name}.tmp`),
  ...MANIFEST_NAMES,
]);

/** The manifest as it stands under the lock, or a new one. A copy that is missing or damaged is written again. */
export async function loadOrCreate(
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

/** Fails where the options name other shards, or another topic, than the log has. */
export function checkAgreement(manifest: Manifest, options: OpenOptions, directory: string): void {
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
export async function refuseForeign(vfs: Vfs, directory: string): Promise<void> {
  let entries: DirectoryEntry[];
  try {
    entries = await vfs.list(directory);
  } catch (error) {
    if (isMissing(error)) return;
    if (error instanceof VfsError && error.code === "NOT_A_DIRECTORY") throw await noManifest(vfs, directory, 0);
    throw error;
  }
  if (unfinished(entries) !== undefined) throw await noManifest(vfs, directory, 0);
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
  let why = "there is no log in it; check the path";
  try {
    const what = unfinished(await vfs.list(directory));
    if (what !== undefined) why = `it is ${what}`;
  } catch (error) {
    if (isMissing(error)) why = "there is no such directory; check the path";
    else if (error instanceof VfsError && error.code === "NOT_A_DIRECTORY") {
      why = "it is not a directory; check the path";
    } else throw error;
  }
  return new LogError("NOT_A_LOG", `Cannot open the log in ${directory}: ${why}`, { file: directory });
}
