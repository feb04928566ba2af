/**
 * What readers know of a shard's end, whoever writes it.
 *
 * @module
 */
import type { End } from "../anchor/end.ts";
import type { MaybePromise } from "../vfs.ts";

/** Where published data of a shard ends, and when that moves. */
export interface Publication {
  readonly earliest: number;
  /** Where published data ends. */
  readonly end: End;
  /** Nobody will publish anything any more. */
  readonly ended: boolean;
  /** Why the last look could not tell where the log begins; nobody may call missing what may have been dropped. */
  readonly fault?: unknown;
  /** Looks again, where the end does not move by itself. */
  refresh(): MaybePromise<void>;
  /** Calls `listener` whenever the end may have moved, or nothing more will come, until the answer is called. */
  onChange(listener: () => void): () => void;
}
