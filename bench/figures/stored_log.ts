/**
 * A log on disk for figures that read, and the file in it.
 *
 * @module
 */
import { rmSync } from "node:fs";
import { BACKPRESSURE, openLog } from "../../mod.ts";
import { runtimeVfs } from "../../adapters/runtime.ts";
import { makeValue, type Setting, timed } from "../figure.ts";

/** A closed log of one shard. */
export interface StoredLog {
  /** Its directory. */
  readonly path: string;
  /** Its only segment. */
  readonly file: string;
  /** Removes it. */
  remove(): void;
}

/** Writes a log of `messages` values. */
export async function storeLog({ directory, messages }: Setting): Promise<StoredLog> {
  const path = `${directory}/log`;
  const value = makeValue();
  const log = await openLog(path, { topic: "log" });
  const shard = log.shard(0);
  for (let i = 0; i < messages; i++) {
    while (shard.tryAppend({ value }) === BACKPRESSURE) await shard.writable();
  }
  await log.close();
  return {
    path,
    file: `${path}/log-0/00000000000000000000.log`,
    remove: () => rmSync(path, { recursive: true }),
  };
}

/** The floor of reading: the file in pieces of `chunkBytes` through the same adapter, into one piece of memory. */
export async function readRaw(file: string, chunkBytes: number): Promise<number> {
  const buffer = new Uint8Array(chunkBytes);
  return await timed(async () => {
    const opened = await runtimeVfs().open(file, "read");
    const size = await opened.size();
    for (let position = 0; position < size; position += chunkBytes) await opened.read(buffer, position);
    await opened.close();
  });
}
