/**
 * What a verification finds and counts.
 *
 * @module
 */

/** Data on disk that is not what was written. */
export interface Damage {
  /** `undefined`: it concerns the whole log. */
  readonly shard: number | undefined;
  readonly file: string;
  /** First damaged byte, as far as that can be told. */
  readonly position: number;
  /** Offsets that cannot be read, both inclusive; `undefined` where no record is concerned. */
  readonly range: readonly [number, number] | undefined;
  readonly what: string;
}

/** Something worth knowing that is no damage. */
export interface Note {
  readonly shard: number | undefined;
  readonly file: string;
  readonly what: string;
}

/** Where findings go while the verification runs. */
export interface Observer {
  damage(damage: Damage): void;
  note(note: Note): void;
  /** Bytes of `.log` files looked at so far, and of all. */
  progress(doneBytes: number, totalBytes: number): void;
}

/** What was looked at. */
export interface Totals {
  shards: number;
  segments: number;
  batches: number;
  records: number;
  /** Of `.log` files. */
  bytes: number;
}
