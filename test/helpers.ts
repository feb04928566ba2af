/** What tests on real files share: directories that go away, logs that are closed, expectations, listings. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  BACKPRESSURE,
  type Log,
  LogError,
  type LogErrorCode,
  type LogRecord,
  openLog,
  type OpenOptions,
  type RecordInput,
  type Shard,
} from "../mod.ts";

/** Runs `body` with a directory on disk and removes it. (`t.after` would not: Deno 2.9 does not run it.) */
export async function useDirectory(body: (directory: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "bimip-log-"));
  try {
    await body(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/**
 * Copies what a killed process would leave of the log in `from`: its files as they are now, without its lock.
 * Where files came or went meanwhile, the copy is no such moment, and another one is taken.
 */
export function copyAsKilled(from: string, to: string): void {
  for (let trial = 0;; trial++) {
    const before = readdirSync(from, { recursive: true });
    try {
      cpSync(from, to, { recursive: true, filter: (path) => !/lock/.test(path) });
      assert.deepEqual(readdirSync(from, { recursive: true }), before);
      return;
    } catch (error) {
      if (trial === 100) throw error;
      rmSync(to, { recursive: true, force: true });
    }
  }
}

/** Runs `body` with a new log, closes it and removes its directory. */
export function useLog(options: OpenOptions, body: (log: Log, directory: string) => Promise<void>): Promise<void> {
  return useDirectory(async (directory) => {
    const log = await openLog(directory, { topic: "log", ...options });
    try {
      await body(log, directory);
    } finally {
      await log.close();
    }
  });
}

/** Opens the log in `directory`, runs `body`, closes it. */
export async function reopen<T>(
  directory: string,
  options: OpenOptions,
  body: (log: Log) => Promise<T> | T,
): Promise<T> {
  const log = await openLog(directory, options);
  try {
    return await body(log);
  } finally {
    await log.close();
  }
}

/** Appends where there is room, and fails where there is none. */
export function take(shard: Shard, record: RecordInput): number {
  const offset = shard.tryAppend(record);
  if (offset === BACKPRESSURE) throw new Error(`shard ${shard.id} has no room`);
  return offset;
}

/** The whole outcome of a read. */
export async function collect(records: AsyncIterable<LogRecord>): Promise<LogRecord[]> {
  const all: LogRecord[] = [];
  for await (const record of records) all.push(record);
  return all;
}

/** The values of a read, as text. */
export async function texts(records: AsyncIterable<LogRecord>): Promise<(string | null)[]> {
  return (await collect(records)).map((record) => record.text());
}

/** A record as plain data that can be compared. */
export function plain(record: LogRecord): unknown {
  const { shard, offset, timestamp, key, value, headers } = record;
  return { shard, offset, timestamp, key, value, headers };
}

/** Fails unless `call` throws or rejects with a `LogError` of this code, whose message says what could not be done. */
export async function fails(code: LogErrorCode, call: () => unknown): Promise<LogError> {
  let failure: unknown;
  try {
    await call();
  } catch (error) {
    failure = error;
  }
  assert.ok(failure instanceof LogError, `expected ${code}, got ${String(failure ?? "no error")}`);
  assert.equal(failure.code, code, failure.message);
  assert.match(failure.message, /^Cannot /);
  return failure;
}

/** What became of a promise so far; everything that is due at once has been given its turn. */
export async function outcomeOf(promise: Promise<unknown>): Promise<"resolved" | "rejected" | "pending"> {
  const turn = new Promise<"pending">((resolve) => setTimeout(resolve, 5, "pending"));
  return await Promise.race([promise.then(() => "resolved" as const, () => "rejected" as const), turn]);
}

/** Path, size, time of the last change and content of every file below a directory. */
export function listing(directory: string): Record<string, string> {
  const files: Record<string, string> = {};
  for (const path of readdirSync(directory, { recursive: true }).map(String).sort()) {
    const stat = statSync(join(directory, path));
    const content = stat.isFile() ? createHash("sha256").update(readFileSync(join(directory, path))).digest("hex") : "";
    files[path] = `${stat.size} ${stat.mtimeMs} ${stat.ino} ${content}`;
  }
  return files;
}

/** Names in a directory that end so. */
export function namesIn(directory: string, ending = ""): string[] {
  return readdirSync(directory).filter((name) => name.endsWith(ending)).sort();
}

/** Bytes that differ from record to record and from each other. */
export function filled(size: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let i = 0; i < size; i++) bytes[i] = (i * 31 + seed * 17 + (i >>> 8)) & 0xff;
  return bytes;
}

/** Waits until `condition` holds; fails after `limitMs`. */
export async function until(condition: () => boolean, what: string, limitMs = 20_000): Promise<void> {
  const end = performance.now() + limitMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`${what}: not within ${limitMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
