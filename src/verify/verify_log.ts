/**
 * Checks everything that a log's directory holds. Reads only: it runs beside a writer, and then up to what is published.
 *
 * @module
 */
import { instanceIds } from "../anchor/anchor.ts";
import { asLogError, LogError } from "../errors.ts";
import { equalBytes } from "../bytes.ts";
import { decodeManifest, type Manifest, MANIFEST_NAMES, shardDirectory } from "../log/manifest.ts";
import { inferManifest } from "../log/manifest_inference.ts";
import type { Engine } from "../options.ts";
import { type Vfs, VfsError } from "../vfs.ts";
import { checkCursors } from "./check_cursors.ts";
import { checkShard } from "./check_shard.ts";
import type { Observer, Totals } from "./finding.ts";
import { type Survey, surveyShard } from "./survey.ts";

/** Larger files are no manifest. */
const MAX_MANIFEST_BYTES = 65_536;

/** What verifying needs. */
export type VerifyTools = Pick<Engine, "vfs" | "clock" | "codecs">;

/**
 * Verifies the log in `directory` and tells the observer what it finds.
 *
 * @returns What was looked at.
 * @throws {LogError} `NOT_A_LOG`, `FORMAT_TOO_NEW`, `CORRUPT_FILE` where no manifest is intact and none can be inferred, `IO`
 */
export async function verifyLog(
  tools: VerifyTools,
  directory: string,
  observer: Observer,
  signal?: AbortSignal,
): Promise<Totals> {
  try {
    return await verify(tools, directory, observer, signal);
  } catch (error) {
    throw asLogError(error, `verify the log in ${directory}`);
  }
}

async function verify(
  tools: VerifyTools,
  directory: string,
  observer: Observer,
  signal?: AbortSignal,
): Promise<Totals> {
  const { vfs, clock } = tools;
  const totals: Totals = { shards: 0, segments: 0, batches: 0, records: 0, bytes: 0 };
  const manifest = await checkManifest(vfs, directory, observer);
  const instance = instanceIds(await vfs.instance(directory));
  const present = new Set((await vfs.list(directory)).map((entry) => entry.name));
  await checkCursors(vfs, clock, directory, manifest, observer);
  const surveys: Survey[] = [];
  for (let shard = 0; shard < manifest.shards; shard++) {
    signal?.throwIfAborted();
    const place = { directory: shardDirectory(directory, manifest.topic, shard), logId: manifest.id, shard, instance };
    if (present.has(`${manifest.topic}-${shard}`)) surveys.push(await surveyShard(vfs, clock, place));
    else {
      totals.shards++;
      observer.damage({
        shard,
        file: place.directory,
        position: 0,
        range: undefined,
        what: "the shard's directory is missing",
      });
    }
  }
  const totalBytes = surveys.flatMap((survey) => survey.segments).reduce((sum, segment) => sum + segment.bytes, 0);
  let doneBytes = 0;
  const passed = (bytes: number): void => {
    signal?.throwIfAborted();
    doneBytes += bytes;
    observer.progress(doneBytes, totalBytes);
  };
  for (const survey of surveys) await checkShard({ ...tools, observer, totals, passed }, survey);
  return totals;
}

/** Both copies of the manifest must be intact and say the same; one is enough to go on. */
async function checkManifest(vfs: Vfs, directory: string, observer: Observer): Promise<Manifest> {
  const intact: { bytes: Uint8Array; manifest: Manifest }[] = [];
  const faults: { file: string; what: string }[] = [];
  let present = 0;
  for (const name of MANIFEST_NAMES) {
    const file = `${directory}/${name}`;
    const bytes = await readManifestFile(vfs, file);
    if (bytes !== undefined) present++;
    const manifest = bytes === undefined ? undefined : decodeManifest(bytes, file);
    if (bytes !== undefined && manifest !== undefined) intact.push({ bytes, manifest });
    else {faults.push({
        file,
        what: bytes === undefined ? "this copy of the manifest is missing" : "this copy of the manifest is damaged",
      });}
  }
  // As a reader does who finds none: the rest of the log says what it was.
  const inferred = intact.length > 0 ? undefined : await inferManifest(vfs, directory, present > 0);
  if (present === 0 && inferred === undefined) {
    throw new LogError("NOT_A_LOG", `Cannot verify the log in ${directory}: there is no log in it; check the path`, {
      file: directory,
    });
  }
  for (const { file, what } of faults) observer.damage({ shard: undefined, file, position: 0, range: undefined, what });
  const [first, second] = intact;
  if (first === undefined && inferred !== undefined) return inferred;
  if (first === undefined) {
    const message =
      `Cannot verify the log in ${directory}: no copy of its manifest is intact, and its files contradict each other`;
    throw new LogError("CORRUPT_FILE", message, { file: `${directory}/${MANIFEST_NAMES[0]}` });
  }
  if (second !== undefined && !equalBytes(first.bytes, second.bytes)) {
    const file = `${directory}/${MANIFEST_NAMES[1]}`;
    observer.damage({
      shard: undefined,
      file,
      position: 0,
      range: undefined,
      what: "the two copies of the manifest differ",
    });
  }
  return first.manifest;
}

async function readManifestFile(vfs: Vfs, path: string): Promise<Uint8Array | undefined> {
  try {
    const file = await vfs.open(path, "read");
    try {
      const bytes = new Uint8Array(Math.min(await file.size(), MAX_MANIFEST_BYTES));
      return bytes.subarray(0, await file.read(bytes, 0));
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof VfsError && (error.code === "NOT_FOUND" || error.code === "NOT_A_DIRECTORY")) return undefined;
    throw error;
  }
}
