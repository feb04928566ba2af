/** Memory that all shards of a log share. */
export interface Budget {
  /** Bytes that their buffers hold. */
  used: number;
  readonly max: number;
  /** Shards that wait for room, whoever frees it. */
  readonly waiting: Set<() => void>;
}
