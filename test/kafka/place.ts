/** Where a shared test keeps its log. */
import { it } from "node:test";
import type { CodecName, Log, LogError } from "../../mod.ts";

/** Makes logs for one test. */
export interface Place {
  /** Opens the test's log; again: the same one. */
  open(options?: PlaceOptions): Promise<Log>;
}

/** What both ways of opening take. */
export interface PlaceOptions {
  readonly flushIntervalMs?: number;
  readonly maxBufferPerShard?: number;
  readonly batchBytes?: number;
  readonly compression?: CodecName;
  readonly onError?: (error: LogError) => void;
}

/** A place of its own for a test that needs so many shards. */
export type UsePlace = (shards: number, body: (place: Place) => Promise<void>) => Promise<void>;

/** Opens the log, and closes it at the end. */
export async function life<T>(place: Place, body: (log: Log) => Promise<T>, options?: PlaceOptions): Promise<T> {
  const log = await place.open(options);
  try {
    return await body(log);
  } finally {
    await log.close();
  }
}

/** Registers tests that use one log. */
export function tester(
  skip: string | false,
  use: UsePlace,
  options?: PlaceOptions,
): (title: string, shards: number, body: (log: Log, place: Place) => Promise<void>) => void {
  return (title, shards, body) =>
    void it(title, { skip }, () => use(shards, (place) => life(place, (log) => body(log, place), options)));
}
