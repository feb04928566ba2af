/**
 * Where a handover goes: a new directory, or the one of a stopped broker.
 *
 * @module
 */
import { LogError } from "../errors.ts";
import { isMissing } from "../if_there.ts";
import { segmentBases } from "../segment/names.ts";
import type { DirectoryEntry, Vfs } from "../vfs.ts";
import { CLEAN_SHUTDOWN, PARTITION_METADATA, readText } from "./checkpoints.ts";

/** Entries of a directory; `undefined` where there is none. */
export async function entriesOf(vfs: Vfs, directory: string): Promise<DirectoryEntry[] | undefined> {
  try {
    return await vfs.list(directory);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/**
 * Makes a new directory.
 *
 * @throws {LogError} `CONFLICT` where there is anything in it.
 */
export async function makeEmpty(vfs: Vfs, directory: string, action: string): Promise<void> {
  const entries = await entriesOf(vfs, directory) ?? [];
  if (entries.length > 0) {
    throw new LogError(
      "CONFLICT",
      `Cannot ${action} ${directory}: it is not empty (${entries[0].name}); name a new directory`,
      { file: directory },
    );
  }
  await vfs.makeDirectory(directory);
}

/**
 * Checks that a broker's directory can take the partitions, before anything of it is changed.
 *
 * @throws {LogError} `CONFLICT` where the broker runs, the topic is missing, has another number of partitions, or is not empty.
 */
export async function checkBroker(vfs: Vfs, logDirectory: string, topic: string, partitions: number): Promise<void> {
  const refuse = (why: string): LogError =>
    new LogError("CONFLICT", `Cannot hand over to ${logDirectory}: ${why}`, { file: logDirectory });
  const entries = await entriesOf(vfs, logDirectory);
  if (entries === undefined) throw refuse("there is no such directory; name the broker's log.dirs");
  if (!entries.some((entry) => entry.name === "meta.properties")) {
    throw refuse("it has no meta.properties; name the broker's log.dirs");
  }
  if (!entries.some((entry) => entry.name === CLEAN_SHUTDOWN)) {
    throw refuse("the broker runs, or was not stopped in order; stop it and wait until it has ended");
  }
  const there = entries.filter((entry) => entry.name.slice(0, entry.name.lastIndexOf("-")) === topic).length;
  if (there !== partitions) {
    throw refuse(
      there === 0
        ? `the topic ${topic} is not there; start the broker, create it with ${partitions} partitions, stop the broker`
        : `the topic ${topic} has ${there} partitions, the log ${partitions} shards; delete it and create it anew: ` +
          "a key's partition follows from their number",
    );
  }
  for (let partition = 0; partition < partitions; partition++) {
    const directory = `${logDirectory}/${topic}-${partition}`;
    const files = await entriesOf(vfs, directory);
    if (files === undefined) {
      throw refuse(`the partition ${topic}-${partition} is on another broker or in another of its directories`);
    }
    const metadata = await readText(vfs, `${directory}/${PARTITION_METADATA}`);
    if (metadata === undefined || !/^topic_id: ?\S{22}$/m.test(metadata)) {
      throw refuse(`${topic}-${partition} has no ${PARTITION_METADATA} with the topic's id; create the topic anew`);
    }
    for (const base of segmentBases(files)) {
      const file = await vfs.open(`${directory}/${String(base).padStart(20, "0")}.log`, "read");
      try {
        if (base > 0 || await file.size() > 0) {
          throw refuse(`${topic}-${partition} holds records; hand over to an empty topic`);
        }
      } finally {
        await file.close();
      }
    }
  }
}

/** Removes what the broker made for an empty partition; the id of its topic stays. */
export async function clearPartition(vfs: Vfs, directory: string): Promise<void> {
  for (const { name, kind } of await vfs.list(directory)) {
    if (kind === "file" && name !== PARTITION_METADATA) await vfs.remove(`${directory}/${name}`);
  }
}
