/**
 * How many bytes are written for each byte that is kept.
 *
 * @module
 */
import { readdirSync, rmSync, statSync } from "node:fs";
import { runtimeVfs } from "../../adapters/runtime.ts";
import { BACKPRESSURE, openLog, type OpenOptions } from "../../mod.ts";
import { CountingVfs } from "../counting_vfs.ts";
import { makeValue, type Readings, type Setting, VALUE_BYTES, type ValueFigure } from "../figure.ts";
import { pace } from "../pace.ts";

const FULL = "full load: .log and anchor, by the size of the .log";
const FULL_DIRECT = "full load, direct writes: .log and anchor, by the size of the .log";
const FULL_DISK = "full load, durability disk: .log and anchor, by the size of the .log";
const FULL_VALUES = "full load: .log and anchor, by the values alone";
const FULL_INDEX = "full load: .idx, by the size of the .log";
const SLOW = "10 messages a second: .log and anchor, by the size of the .log";
const SLOW_VALUES = "10 messages a second: .log and anchor, by the values alone";
const SLOW_INDEX = "10 messages a second: .idx, by the size of the .log";

const SLOW_SHARDS = 8;
const SLOW_PER_SECOND = 10;

export const writeAmplification: ValueFigure = {
  name: "write_amplification",
  title:
    "Bytes written to .log and anchor for each byte kept: at full load, and at 10 messages of 100 bytes a second per shard",
  how:
    "Counted where the log calls the file system, from the first record until everything is flushed (os), opening and closing left " +
    "out. What the file system makes of it, whole pages and a journal, is not in it",
  messages: 1_000_000,
  tinyMessages: 20_000,
  values: [
    { name: FULL, unit: "", atMost: 1.03 },
    { name: FULL_DIRECT, unit: "", atMost: 1.03 },
    { name: FULL_DISK, unit: "", atMost: 1.03 },
    { name: FULL_VALUES, unit: "" },
    { name: FULL_INDEX, unit: "" },
    { name: SLOW, unit: "" },
    { name: SLOW_VALUES, unit: "" },
    { name: SLOW_INDEX, unit: "" },
  ],
  measure: (setting) => Promise.resolve({ run: () => run(setting), close: () => Promise.resolve() }),
};

/** Bytes of one load. */
interface Written {
  readonly logAndAnchor: number;
  readonly index: number;
  /** What the `.log` files hold afterwards, less what they held when counting began. */
  readonly kept: number;
  readonly values: number;
}

async function run({ directory, messages }: Setting): Promise<Readings> {
  const path = `${directory}/log`;
  const full = await fullLoad(path, messages, {});
  const direct = await fullLoad(path, messages, { directIo: true });
  const disk = await fullLoad(path, messages, { durability: "disk" });
  const slow = await slowLoad(path, messages >= 1_000_000 ? 2 : 0.2);
  return {
    [FULL]: full.logAndAnchor / full.kept,
    [FULL_DIRECT]: direct.logAndAnchor / direct.kept,
    [FULL_DISK]: disk.logAndAnchor / disk.kept,
    [FULL_VALUES]: full.logAndAnchor / full.values,
    [FULL_INDEX]: full.index / full.kept,
    [SLOW]: slow.logAndAnchor / slow.kept,
    [SLOW_VALUES]: slow.logAndAnchor / slow.values,
    [SLOW_INDEX]: slow.index / slow.kept,
  };
}

function fullLoad(path: string, messages: number, options: OpenOptions): Promise<Written> {
  return load(path, messages, options, async (append) => {
    for (let i = 0; i < messages; i++) {
      const waiting = append(0);
      if (waiting !== undefined) await waiting;
    }
  });
}

function slowLoad(path: string, seconds: number): Promise<Written> {
  const messages = Math.ceil(seconds * SLOW_PER_SECOND) * SLOW_SHARDS;
  return load(path, messages, { shards: SLOW_SHARDS }, async (append) => {
    // Tick after tick another shard gets its record: no two share a flush.
    await pace(SLOW_SHARDS * SLOW_PER_SECOND, messages, 3, (from, to) => {
      for (let i = from; i < to; i++) append(i % SLOW_SHARDS);
    });
  });
}

async function load(
  path: string,
  messages: number,
  options: OpenOptions,
  drive: (append: (shard: number) => Promise<void> | undefined) => Promise<void>,
): Promise<Written> {
  const vfs = new CountingVfs(runtimeVfs());
  const log = await openLog(path, { ...options, topic: "log", vfs });
  const record = { value: makeValue() };
  const append = (id: number): Promise<void> | undefined => {
    const shard = log.shards[id];
    return shard.tryAppend(record) === BACKPRESSURE ? again(id) : undefined;
  };
  const again = async (id: number): Promise<void> => {
    await log.shards[id].writable();
    await append(id);
  };
  // The first record of a shard creates its files.
  for (const shard of log.shards) shard.tryAppend(record);
  await log.flush();
  const before = logBytes(path);
  vfs.reset();
  await drive(append);
  await log.flush();
  const written = {
    logAndAnchor: vfs.bytes("log") + vfs.bytes("anchor"),
    index: vfs.bytes("idx"),
    kept: logBytes(path) - before,
    values: messages * VALUE_BYTES,
  };
  await log.close();
  rmSync(path, { recursive: true });
  return written;
}

function logBytes(path: string): number {
  let bytes = 0;
  for (const entry of readdirSync(path, { recursive: true })) {
    if (String(entry).endsWith(".log")) bytes += statSync(`${path}/${String(entry)}`).size;
  }
  return bytes;
}
