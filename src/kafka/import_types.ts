/**
 * What an import is told and what it says.
 *
 * @module
 */
import type { SignalOptions } from "../options.ts";
import type { MaybePromise, Vfs } from "../vfs.ts";

/** Options of `importFromKafka`. */
export interface ImportOptions extends SignalOptions {
  /** Which topic, where the source holds several. @default {the only one} */
  topic?: string;
  /** Only this partition: it becomes the one shard, number 0, of the new log. @default {all of them} */
  shard?: number;
  /** The file system. @default {the runtime's} */
  vfs?: Vfs;
  /**
   * Makes a hard link: finished segments then share the disk's space with the broker's, and only the last one is copied. The broker
   * must not compact or delete records of them any more. @default {everything is copied}
   */
  link?: (from: string, to: string) => MaybePromise<void>;
  /** Called while it copies, with the bytes done so far. */
  onProgress?: (bytes: number) => void;
}

/** What was taken of one partition. */
export interface ImportedShard {
  /** Number of the shard. */
  readonly shard: number;
  /** The partition's directory. */
  readonly source: string;
  /** First offset that can be read. */
  readonly earliest: number;
  /** Offset that the next record will get. */
  readonly nextOffset: number;
  /** `.log` files. */
  readonly segments: number;
  /** Whole batches. */
  readonly batches: number;
  /** Bytes of them. */
  readonly bytes: number;
  /** Offsets are missing between batches: the topic was compacted, or transactions left markers out. */
  readonly holes: boolean;
  /** Bytes behind the last good batch that were not taken: what a broker that was killed had not finished. */
  readonly tornBytes: number;
}

/** What was imported. */
export interface ImportReport {
  /** Of the new log. */
  readonly topic: string;
  /** By number. */
  readonly shards: readonly ImportedShard[];
}
