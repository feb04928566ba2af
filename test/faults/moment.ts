/** What a killed writer left: read before anybody repairs it. */
import { instanceIds } from "../../src/anchor/anchor.ts";
import { readManifest, shardDirectory } from "../../src/log/manifest.ts";
import { analyse } from "../../src/recovery/analyse.ts";
import { takeInventory } from "../../src/recovery/inventory.ts";
import type { Vfs } from "../../src/vfs.ts";

/** Where a writer stood when it died, in words that can be counted; the first that holds for any shard. */
export type Moment =
  | "before there was a log"
  | "within the write of the log"
  | "between log and anchor"
  | "at a roll"
  | "open"
  | "closed, or before its first append";

/** Tells where the writer of the log in `directory` stood. */
export async function momentOf(vfs: Vfs, directory: string): Promise<Moment> {
  const { manifest } = await readManifest(vfs, directory);
  if (manifest === undefined) return "before there was a log";
  const instance = instanceIds(await vfs.instance(directory));
  let closed = true;
  let moment: Moment = "open";
  for (let id = 0; id < manifest.shards; id++) {
    const place = shardDirectory(directory, manifest.topic, id);
    const inventory = await takeInventory(vfs, place, manifest.id, id);
    const { cutBytes, end, fromCleanMark } = await analyse(vfs, inventory, instance);
    closed &&= fromCleanMark || inventory.segments.length === 0;
    if (fromCleanMark || inventory.segments.length === 0) continue;
    const written = inventory.anchor?.written.nextOffset ?? 0;
    if (cutBytes > 0) return "within the write of the log";
    if (end.nextOffset > written) moment = "between log and anchor";
    else if (moment === "open" && inventory.segments.at(-1)!.bytes === 0) moment = "at a roll";
  }
  return closed ? "closed, or before its first append" : moment;
}
