/**
 * `bimiplog trim --max-age`: which segments are too old.
 *
 * @module
 */
import { runtimeVfs } from "../../adapters/runtime.ts";
import { readManifest } from "../log/manifest.ts";
import { isTooOld } from "../retention/choose.ts";
import { SegmentFacts } from "../retention/segment_facts.ts";
import { UsageError } from "./exit_codes.ts";

const UNIT_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds of a time such as `90s`, `30m`, `12h` or `7d`. */
export function ageOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const [, digits, unit] = /^([1-9]\d{0,8})([smhd])$/.exec(text) ?? [];
  if (digits === undefined) throw new UsageError(`--max-age must be a time such as 90s, 30m, 12h or 7d, not ${text}`);
  return Number(digits) * UNIT_MS[unit];
}

/**
 * How many of the oldest segments are older than that, as retention counts age. The last one is written to, and stays.
 *
 * @param bases Where the segments begin, in order.
 */
export async function tooOld(
  log: { readonly directory: string; readonly topic: string },
  shard: number,
  bases: readonly number[],
  maxAgeMs: number,
): Promise<number> {
  const vfs = runtimeVfs();
  const { manifest } = await readManifest(vfs, log.directory);
  const logId = manifest?.id ?? new Uint8Array(16);
  const facts = new SegmentFacts(vfs, `${log.directory}/${log.topic}-${shard}`, logId, shard);
  let count = 0;
  while (count < bases.length - 1) {
    const maxTimestamp = await facts.maxTimestamp(bases[count], bases[count + 1]);
    if (!isTooOld(maxTimestamp, await facts.modified(bases[count]), Date.now(), maxAgeMs)) break;
    count++;
  }
  return count;
}
