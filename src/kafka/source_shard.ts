/**
 * A shard of a log on its way out: which files, and how far they are published.
 *
 * @module
 */
import { instanceIds } from "../anchor/anchor.ts";
import { LogError } from "../errors.ts";
import { type Manifest, readManifest, shardDirectory } from "../log/manifest.ts";
import { noManifest } from "../log/load_manifest.ts";
import { openShardForReading } from "../log/open_shard_reading.ts";
import type { Engine } from "../options.ts";
import type { ShardView } from "../read/shard_view.ts";

/** One shard. */
export interface SourceShard {
  readonly id: number;
  readonly view: ShardView;
  /** First offset that may be read. */
  readonly earliest: number;
  readonly nextOffset: number;
  /** Base offsets of the segments that hold anything from `earliest` on. */
  readonly bases: readonly number[];
}

/** The manifest of the log in `directory`. */
export async function manifestOf(engine: Engine, directory: string): Promise<Manifest> {
  const { manifest, present } = await readManifest(engine.vfs, directory);
  if (manifest === undefined) throw await noManifest(engine.vfs, directory, present);
  return manifest;
}

/** Opens a shard beside its writer, if there is one. A damaged one is refused. */
export async function openSource(
  engine: Engine,
  directory: string,
  manifest: Manifest,
  id: number,
): Promise<SourceShard> {
  const instance = instanceIds(await engine.vfs.instance(directory));
  const path = shardDirectory(directory, manifest.topic, id);
  const { view, report, shard } = await openShardForReading(engine, {
    directory: path,
    logId: manifest.id,
    id,
    instance,
  });
  if (report.verdict !== "clean") {
    const what = `shard ${id} is damaged (${report.verdict})`;
    throw new LogError("CORRUPT_FILE", `Cannot hand over the log in ${directory}: ${what}; run bimiplog repair first`, {
      shard: id,
      file: path,
    });
  }
  const { earliest } = shard;
  const all = await view.bases();
  const bases = all.filter((_, i) => i === all.length - 1 || all[i + 1] > earliest);
  return { id, view, earliest, nextOffset: view.publication.end.nextOffset, bases };
}
