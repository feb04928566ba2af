/**
 * What a peer is: a store that takes values and gives them back, in its documented fast way.
 *
 * @module
 */

/** How far a message has come when it counts. */
export type Durability = "os" | "disk";

/** An open store. */
export interface Store {
  /** Appends `count` times the value; resolves once all of them have the durability that the store was opened with. */
  append(value: Uint8Array, count: number): Promise<void>;
  /** Reads everything from the start and answers the bytes of all values. */
  read?(): Promise<number>;
  close(): Promise<void>;
}

/** One program that is measured. */
export interface Peer {
  readonly name: string;
  /** How it is used, for the report; undefined: it cannot do that. */
  readonly settings: {
    readonly append: string;
    readonly synced: string | undefined;
    readonly read: string | undefined;
  };
  /** Opens it in a directory; a module that does not load throws here. */
  open(directory: string, durability: Durability): Promise<Store>;
}

/** Messages of one transaction or group, about the megabyte that BimipLog flushes at full load. */
export const GROUP = 10_000;

/** Calls `group` with the numbers of the first and behind the last message of each group. */
export async function inGroups(
  count: number,
  group: (from: number, to: number) => Promise<void> | void,
): Promise<void> {
  for (let from = 0; from < count; from += GROUP) await group(from, Math.min(count, from + GROUP));
}
