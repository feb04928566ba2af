/** How often each thing happened in a simulation. Names are `group: what`. */

/** Named counters. */
export class Tally {
  readonly counts: Map<string, number> = new Map();

  static of(counts: Iterable<readonly [string, number]>): Tally {
    const tally = new Tally();
    for (const [name, count] of counts) tally.add(name, count);
    return tally;
  }

  add(name: string, count = 1): void {
    if (count !== 0) this.counts.set(name, (this.counts.get(name) ?? 0) + count);
  }

  /** Adds every number of a nested record, named by its path. */
  addAll(group: string, numbers: object): void {
    for (const [name, value] of Object.entries(numbers)) {
      if (value === 0) continue;
      if (typeof value === "number") this.add(`${group}: ${name}`, value);
      else this.addAll(`${group} ${name}`, value as object);
    }
  }

  merge(other: Tally): void {
    for (const [name, count] of other.counts) this.add(name, count);
  }

  get(name: string): number {
    return this.counts.get(name) ?? 0;
  }
}
