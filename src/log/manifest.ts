/**
 * The manifest: what a directory's log is. Written once, in two copies.
 *
 * @module
 */
import { crc32c } from "../batch/crc32c.ts";
import { hex32 } from "../batch/format.ts";
import { equalBytes, fromHex, toHex } from "../bytes.ts";
import { LogError } from "../errors.ts";
import { replaceWhole } from "../recovery/whole_file.ts";
import { type Vfs, VfsError } from "../vfs.ts";

export const MANIFEST_NAMES = ["bimip.json", "bimip.copy.json"] as const;
const FORMAT = 1;
/** Bits of features that a program must know to touch the log; none so far. */
const KNOWN_INCOMPATIBLE = 0;
/** Larger files are no manifest. */
const MAX_BYTES = 65_536;
const encoder = new TextEncoder();
const utf8 = new TextDecoder();
const TOPIC = /^[a-zA-Z0-9._-]{1,249}$/;

/** What a manifest says. */
export interface Manifest {
  readonly id: Uint8Array;
  readonly topic: string;
  readonly shards: number;
}

/** True for a name that Kafka takes as a topic. */
export function isTopic(name: string): boolean {
  return TOPIC.test(name) && name !== "." && name !== "..";
}

/** Directory of a shard. */
export function shardDirectory(directory: string, topic: string, shard: number): string {
  return `${directory}/${topic}-${shard}`;
}

export function encodeManifest(manifest: Manifest): Uint8Array {
  const lines = [
    `{`,
    `  "format": ${FORMAT},`,
    `  "compatible": 0,`,
    `  "incompatible": 0,`,
    `  "id": "${toHex(manifest.id)}",`,
    `  "topic": "${manifest.topic}",`,
    `  "shards": ${manifest.shards},`,
  ].join("\n");
  return encoder.encode(`${lines}\n  "checksum": "crc32c:${hex32(crc32c(encoder.encode(lines)))}"\n}\n`);
}

/**
 * Decodes a manifest; `undefined` where it is damaged.
 *
 * @throws {LogError} `FORMAT_TOO_NEW`, judged before anything else that a newer version might have changed.
 */
export function decodeManifest(bytes: Uint8Array, file: string): Manifest | undefined {
  const text = utf8.decode(bytes);
  const match = /^([\s\S]*,)\n {2}"checksum": "crc32c:([0-9a-f]{8})"\n\}\n$/.exec(text);
  if (match === null || hex32(crc32c(encoder.encode(match[1]))) !== match[2]) return undefined;
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
  const { format, incompatible, id, topic, shards } = fields;
  if (typeof format !== "number" || typeof incompatible !== "number") return undefined;
  if (format > FORMAT || hasUnknownBits(incompatible)) {
    throw new LogError(
      "FORMAT_TOO_NEW",
      `Cannot open the log: ${file} has format ${format} (features ${incompatible}), this version knows format ${FORMAT}; ` +
        "upgrade @bimip/log; nothing was changed",
      { file },
    );
  }
  const idBytes = typeof id === "string" ? fromHex(id) : undefined;
  if (idBytes?.length !== 16 || typeof topic !== "string" || !isTopic(topic)) return undefined;
  if (typeof shards !== "number" || !Number.isSafeInteger(shards) || shards < 1 || shards > 65_536) return undefined;
  return { id: idBytes, topic, shards };
}

/** Bit operations drop what is above 32 bits. */
function hasUnknownBits(incompatible: number): boolean {
  return incompatible < 0 || incompatible > 0xffff_ffff || (incompatible & ~KNOWN_INCOMPATIBLE) !== 0;
}

/** What was found of a manifest in a directory. */
export interface FoundManifest {
  /** `undefined`: there is none, or none is intact. */
  readonly manifest: Manifest | undefined;
  /** Files that are there, intact or not. */
  readonly present: number;
  /** Files that are intact. */
  readonly intact: number;
}

/** Reads both copies; the first intact one counts. */
export async function readManifest(vfs: Vfs, directory: string): Promise<FoundManifest> {
  let manifest: Manifest | undefined;
  let first: Uint8Array | undefined;
  let present = 0;
  let intact = 0;
  for (const name of MANIFEST_NAMES) {
    const file = `${directory}/${name}`;
    const bytes = await readManifestFile(vfs, file);
    // An empty file is as a missing one.
    if (bytes === undefined || bytes.length === 0) continue;
    present++;
    // Mostly both copies are the same.
    const isSame = first !== undefined && equalBytes(first, bytes);
    const decoded = isSame ? manifest : decodeManifest(bytes, file);
    if (decoded !== undefined) intact++;
    manifest ??= decoded;
    first ??= bytes;
  }
  return { manifest, present, intact };
}

/** The content of a copy of the manifest; `undefined` where it is missing. */
export async function readManifestFile(vfs: Vfs, path: string): Promise<Uint8Array | undefined> {
  let file;
  try {
    file = await vfs.open(path, "read");
  } catch (error) {
    if (error instanceof VfsError && (error.code === "NOT_FOUND" || error.code === "NOT_A_DIRECTORY")) return undefined;
    throw error;
  }
  try {
    const bytes = new Uint8Array(Math.min(await file.size(), MAX_BYTES));
    return bytes.subarray(0, await file.read(bytes, 0));
  } finally {
    await file.close();
  }
}

/**
 * Writes both copies. The one that readers look for first comes last: where both are, one of them is durable, also if the
 * process ended in between and a later one finds nothing to do.
 */
export async function writeManifest(vfs: Vfs, directory: string, manifest: Manifest): Promise<void> {
  const bytes = encodeManifest(manifest);
  for (const name of [...MANIFEST_NAMES].reverse()) {
    await replaceWhole(vfs, `${directory}/${name}`, `${directory}/${name}.tmp`, bytes);
    await vfs.syncDirectory(directory);
  }
}
