/**
 * Which member of a group gets which shard.
 *
 * @module
 */

/** A member as far as shards are dealt out. */
export interface Candidate {
  /** The only shards it takes; `undefined`: all. */
  readonly accepts: ReadonlySet<number> | undefined;
  /** Somebody is reading. One that does not read keeps its shards only while nobody else wants them. */
  readonly isActive: boolean;
}

/**
 * Deals the shards out as evenly as it can while moving few: a shard stays where it is unless another member has two fewer. Answers the
 * member of each shard.
 */
export function assign<T extends Candidate>(
  owners: readonly (T | undefined)[],
  members: readonly T[],
): (T | undefined)[] {
  const takes = (member: T, shard: number): boolean => member.accepts === undefined || member.accepts.has(shard);
  const loads = new Map<T, number>(members.map((member) => [member, 0]));
  const candidates = owners.map((_, shard) => {
    const able = members.filter((member) => takes(member, shard));
    const active = able.filter((member) => member.isActive);
    return active.length > 0 ? active : able;
  });
  const target = owners.map((owner, shard) => {
    const stays = owner !== undefined && candidates[shard].includes(owner) ? owner : undefined;
    if (stays !== undefined) loads.set(stays, loads.get(stays)! + 1);
    return stays;
  });
  const least = (able: readonly T[]): T | undefined => {
    let found: T | undefined;
    for (const member of able) if (found === undefined || loads.get(member)! < loads.get(found)!) found = member;
    return found;
  };
  const give = (shard: number, member: T): void => {
    const before = target[shard];
    if (before !== undefined) loads.set(before, loads.get(before)! - 1);
    loads.set(member, loads.get(member)! + 1);
    target[shard] = member;
  };
  for (const [shard, owner] of target.entries()) {
    const member = owner === undefined ? least(candidates[shard]) : undefined;
    if (member !== undefined) give(shard, member);
  }
  // Each move makes loads more equal, so it comes to an end.
  for (let isMoving = true; isMoving;) {
    isMoving = false;
    for (const [shard, owner] of target.entries()) {
      const member = least(candidates[shard]);
      if (owner === undefined || member === undefined || loads.get(owner)! < loads.get(member)! + 2) continue;
      give(shard, member);
      isMoving = true;
    }
  }
  return target;
}
