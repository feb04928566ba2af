/**
 * Checks how a member wants to join.
 *
 * @module
 */
import { checkName } from "./names.ts";
import type { GroupOptions } from "./types.ts";

const MAX_LEASE_MS = 600_000;

/** The options with their defaults. */
export interface CheckedGroup {
  readonly from: "earliest" | "latest";
  /** `undefined`: all. */
  readonly accepts: ReadonlySet<number> | undefined;
  readonly leaseMs: number;
}

/**
 * Checks them.
 *
 * @param count How many shards the log has.
 * @throws {TypeError} where the name is no string.
 * @throws {RangeError} where the name or an option is out of range.
 */
export function checkGroup(
  name: string,
  { from = "earliest", shards, leaseMs = 10_000 }: GroupOptions,
  count: number,
): CheckedGroup {
  checkName(name);
  if (from !== "earliest" && from !== "latest") {
    throw new RangeError(`Cannot make a consumer: from must be "earliest" or "latest", not ${String(from)}`);
  }
  if (!Number.isSafeInteger(leaseMs) || leaseMs < 10 || leaseMs > MAX_LEASE_MS) {
    throw new RangeError(
      `Cannot make a consumer: leaseMs must be a whole number from 10 to ${MAX_LEASE_MS}, not ${String(leaseMs)}`,
    );
  }
  for (const shard of shards ?? []) {
    if (Number.isSafeInteger(shard) && shard >= 0 && shard < count) continue;
    throw new RangeError(`Cannot make a consumer of shard ${String(shard)}: this log has shards 0 to ${count - 1}`);
  }
  return { from, accepts: shards === undefined ? undefined : new Set(shards), leaseMs };
}
