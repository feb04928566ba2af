/**
 * What a backup is asked for and what it answers.
 *
 * @module
 */
import type { End } from "../anchor/end.ts";
import type { SignalOptions } from "../options.ts";

/** Options of a backup. */
export interface BackupOptions extends SignalOptions {
  /** Called with the bytes copied so far, and those to be copied as far as that is known. Links count nothing. */
  onProgress?: (copiedBytes: number, totalBytes: number) => void;
}

/** What of a shard is in a backup. */
export interface BackupShard {
  /** Its number. */
  readonly shard: number;
  /** The first offset in it. */
  readonly earliest: number;
  /** Exclusive end of the offsets in it. */
  readonly nextOffset: number;
  /** Segments in it. */
  readonly segments: number;
  /** Bytes that are links to the log's own files. */
  readonly linkedBytes: number;
  /** Bytes that are copies. */
  readonly copiedBytes: number;
}

/** What is in a backup. */
export interface BackupReport {
  /** Where it is. */
  readonly directory: string;
  /** By number. */
  readonly shards: readonly BackupShard[];
  /** Of all shards. */
  readonly linkedBytes: number;
  /** Of all shards. */
  readonly copiedBytes: number;
}

/** A shard to be copied. */
export interface BackupSource {
  readonly shard: number;
  readonly logId: Uint8Array;
  /** Name of its directory. */
  readonly name: string;
  readonly directory: string;
  /** Where published data ends now. */
  end(): Promise<End>;
}
