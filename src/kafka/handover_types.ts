/**
 * What a handover is told and what it says.
 *
 * @module
 */
import type { SignalOptions } from "../options.ts";
import type { Vfs } from "../vfs.ts";

/** Options of `handoverToKafka`. */
export interface HandoverOptions extends SignalOptions {
  /**
   * The target is the `log.dirs` of a stopped broker whose topic exists and is empty: the files are put into the partitions' directories
   * there. Without it a new directory is made, whose files an operator copies. @default {false}
   */
  into?: boolean;
  /** The topic in Kafka. @default {the log's} */
  topic?: string;
  /** The file system. @default {the runtime's} */
  vfs?: Vfs;
  /** Called while it copies, with the bytes done so far. */
  onProgress?: (bytes: number) => void;
}

/** What was handed over of one shard. */
export interface HandedPartition {
  /** Number of the shard and of the partition. */
  readonly partition: number;
  /** Directory with its files. */
  readonly directory: string;
  /** First offset that can be read. */
  readonly earliest: number;
  /** Offset that the next record will get. */
  readonly nextOffset: number;
  /** `.log` files. */
  readonly segments: number;
  /** Bytes of them. */
  readonly bytes: number;
}

/** What was handed over. */
export interface HandoverReport {
  /** The topic in Kafka. */
  readonly topic: string;
  /** By number. */
  readonly partitions: readonly HandedPartition[];
  /** What the operator has to do now, as text of several lines. */
  readonly steps: string;
}
