/** How often each thing happened in a simulation. Names are `group: what`. */

/** Named counters. */
export class Tally {
  readonly counts: Map<string, number> = new Map();

  add(name: string, count = 1): void {
    if (count !== 0) this.counts.set(name, (this.counts.get(name) ?? 0) + count);
  }

  /** Adds every number of a nested record, named by its path. */
  addAll(group: string, numbers: object): void {
    for (const [name, value] of Object.entries(numbers)) {
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

  /** A line a group. */
  toString(): string {
    const groups = new Map<string, string[]>();
    for (const name of [...this.counts.keys()].sort()) {
      const at = name.indexOf(": ");
      const group = name.slice(0, at);
      if (!groups.has(group)) groups.set(group, []);
      groups.get(group)!.push(`${name.slice(at + 2)} ${this.counts.get(name)}`);
    }
    return [...groups].map(([group, items]) => `${group}: ${items.join(", ")}`).join("\n");
  }
}
