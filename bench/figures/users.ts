/**
 * The index of users: what it costs while appending, on disk and in memory, and what a reader gets for it.
 *
 * @module
 */
import { readdirSync, rmSync, statSync } from "node:fs";
import { Child } from "../child.ts";
import type { Readings, Setting, ValueFigure } from "../figure.ts";

const RATE = "append rate, of that without an index";
const PROCESSOR = "processor time a message that the index takes, building tables included";
const BYTES = "bytes of index a message";
const P50 = "last 50 of any user, median";
const P99 = "last 50 of any user, 99 of 100";
const WRITING = "memory while appending, above that before";
const READING = "memory while reading after reopening, above that before";

/** `userTableBytes` by default, and 64 MiB. */
const MOST_MIB = 128;

export const users: ValueFigure = {
  name: "users",
  title: "The index of a million users with Zipf-distributed messages of 100 bytes, one shard, rung os",
  how:
    "Each number in a process of its own. Files were written just before, so they are in the page cache; nothing is in the memory of the " +
    "process that reads. Keys are made before the clock starts. Users who are read are drawn evenly: most have few messages. The goal is meant for 20 M messages: --scale 10",
  messages: 2_000_000,
  values: [
    { name: RATE, unit: "", atLeast: 0.5 },
    { name: PROCESSOR, unit: "ns" },
    { name: BYTES, unit: "B", atMost: 8 },
    { name: P50, unit: "ms", atMost: 5 },
    { name: P99, unit: "ms", atMost: 25 },
    { name: WRITING, unit: "MiB", atMost: MOST_MIB },
    { name: READING, unit: "MiB", atMost: MOST_MIB },
  ],
  measure: (setting) => Promise.resolve({ run: () => run(setting), close: () => Promise.resolve() }),
};

async function childOf(words: readonly string[]): Promise<Record<string, number>> {
  const child = new Child("./users_child.ts", [...words]);
  try {
    return JSON.parse(await child.line()) as Record<string, number>;
  } finally {
    await child.kill();
  }
}

async function run({ directory, messages }: Setting): Promise<Readings> {
  const plain = `${directory}/plain`;
  const indexed = `${directory}/indexed`;
  try {
    const without = await childOf(["append", plain, String(messages), "0"]);
    rmSync(plain, { recursive: true });
    const written = await childOf(["append", indexed, String(messages), "64"]);
    const files = readdirSync(`${indexed}/log-0`).filter((name) => name.endsWith(".idx"));
    const bytes = files.reduce((sum, name) => sum + statSync(`${indexed}/log-0/${name}`).size, 0);
    const found = await childOf(["read", indexed, "500", "64"]);
    return {
      [RATE]: without.seconds / written.seconds,
      [PROCESSOR]: (written.processor - without.processor) / messages * 1e9,
      [BYTES]: bytes / messages,
      [P50]: found.p50,
      [P99]: found.p99,
      [WRITING]: written.mib,
      [READING]: found.mib,
    };
  } finally {
    for (const path of [plain, indexed]) rmSync(path, { recursive: true, force: true });
  }
}
