/**
 * Checks one shard: its slot files, the order of its segments, and every segment.
 *
 * @module
 */
import { ANCHOR_NAME } from "../anchor/anchor.ts";
import { STATE_NAME } from "../anchor/state.ts";
import { readTrims, TRIMS_MISSING, TRIMS_NAME } from "../anchor/trims_file.ts";
import type { Codecs } from "../batch/codecs.ts";
import { isMissing } from "../if_there.ts";
import { scanRules } from "../recovery/scan.ts";
import { findBatch } from "../segment/search.ts";
import { logPath } from "../segment/names.ts";
import type { Vfs, VfsFile } from "../vfs.ts";
import { besideDrops } from "./beside_drops.ts";
import { checkUserTables } from "./check_user_tables.ts";
import { checkSegment } from "./check_segment.ts";
import type { Observer, Totals } from "./finding.ts";
import { type Survey, unknownEnd } from "./survey.ts";

/** What is the same for all shards. */
export interface ShardTools {
  readonly vfs: Vfs;
  readonly codecs: Codecs;
  readonly observer: Observer;
  readonly totals: Totals;
  readonly passed: (bytes: number) => void;
}

/** Checks a surveyed shard. */
export async function checkShard(tools: ShardTools, survey: Survey): Promise<void> {
  tools.totals.shards++;
  checkSlotFiles(tools.observer, survey);
  await noteQuarantine(tools, survey);
  await checkUserTables(tools.vfs, tools.observer, survey);
  await checkTrims(tools, survey);
  const { directory, shard } = survey.place;
  const { state, segments, limit, required, rebooted } = survey;
  const rules = scanRules({ state, anchor: survey.anchor, isStateSuspect: survey.stateSlots.faults.length > 0 });
  const damage = (file: string, position: number, range: readonly [number, number] | undefined, what: string): void =>
    tools.observer.damage({ shard, file, position, range, what });
  /** What stands behind the published end may be in flight, so nothing there is damage while its writer may be running. */
  const isUnpublished = (offset: number): boolean => limit !== undefined && offset >= limit.nextOffset && !rebooted;

  let next = Math.min(state?.logStart ?? Infinity, segments[0]?.base ?? Infinity, state?.clean?.nextOffset ?? Infinity);
  let end = { file: directory, position: 0 };
  let epoch = 0;
  for (let i = 0; i < segments.length; i++) {
    const { base, bytes } = segments[i];
    const file = logPath(directory, base);
    if (base < next || (base > next && !rules.holes)) {
      if (isUnpublished(next)) break;
      if (base > next) damage(end.file, end.position, [next, base - 1], "no segment holds these offsets");
      else {damage(
          file,
          0,
          undefined,
          `the segment begins at offset ${base}, although the one before it ends at ${next}`,
        );}
    }
    const isLast = i === segments.length - 1;
    const published = limit === undefined || base < limit.segment ? bytes : base === limit.segment ? limit.position : 0;
    const isFollowed = !isLast && await holdsBatch(tools.vfs, survey, i + 1);
    const result = await besideDrops(tools.vfs, tools.observer, survey, i, (observer) =>
      checkSegment({
        ...tools,
        observer,
        place: survey.place,
        rules,
        base,
        bytes,
        indexedBytes: published,
        lastOffset: (isLast ? limit?.nextOffset ?? required : segments[i + 1].base) - 1,
        shardEnd: unknownEnd(segments[segments.length - 1].base),
        sealedAt: !isLast && (limit === undefined || base < limit.segment) ? segments[i + 1].base : undefined,
        isTail: (offset, followed) => isUnpublished(offset) || (offset >= required && !followed && !isFollowed),
      }, epoch));
    if (result === undefined) {
      // It was dropped meanwhile, and so were those in front of it.
      next = segments[i + 1].base;
      continue;
    }
    epoch = result.epoch;
    next = result.nextOffset;
    end = { file, position: bytes };
    if (result.atTail) break;
  }
  if (next < required) {
    damage(end.file, end.position, [next, required - 1], "the files end before these records, which were acknowledged");
  }
}

/** True where one of the segments from `first` on holds an intact batch. */
async function holdsBatch(vfs: Vfs, { segments, place }: Survey, first: number): Promise<boolean> {
  for (const { base, bytes } of segments.slice(first)) {
    let file: VfsFile;
    try {
      file = await vfs.open(logPath(place.directory, base), "read");
    } catch (error) {
      if (isMissing(error)) continue;
      throw error;
    }
    try {
      if (await findBatch(file, 0, bytes, base, Number.MAX_SAFE_INTEGER) !== undefined) return true;
    } finally {
      await file.close();
    }
  }
  return false;
}

function checkSlotFiles(observer: Observer, { place, anchorSlots, stateSlots, segments }: Survey): void {
  const { directory, shard } = place;
  for (const [name, slots] of [[ANCHOR_NAME, anchorSlots], [STATE_NAME, stateSlots]] as const) {
    const file = `${directory}/${name}`;
    for (const { position, what } of slots.faults) observer.damage({ shard, file, position, range: undefined, what });
    if (segments.length === 0 || slots.newest !== undefined) continue;
    if (name === STATE_NAME) {
      const what = "there is no valid state: nobody knows which epoch came last, so the shard can only be read";
      observer.damage({ shard, file, position: 0, range: undefined, what });
    } else if (!slots.present) {
      observer.note({ shard, file, what: "there is no anchor; the next opening writes it again" });
    }
  }
}

async function checkTrims({ vfs, observer }: ShardTools, { place, state }: Survey): Promise<void> {
  const { directory, shard } = place;
  const found = await readTrims(vfs, directory, place) ?? (state?.hasTrims ? TRIMS_MISSING : undefined);
  if (typeof found !== "string") return;
  observer.damage({ shard, file: `${directory}/${TRIMS_NAME}`, position: 0, range: undefined, what: found });
}

async function noteQuarantine({ vfs, observer }: ShardTools, { place }: Survey): Promise<void> {
  for (const { name } of await vfs.list(place.directory)) {
    if (!name.startsWith("quarantine-")) continue;
    observer.note({
      shard: place.shard,
      file: `${place.directory}/${name}`,
      what: "holds bytes that an opening set aside",
    });
  }
}
