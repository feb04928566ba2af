/**
 * Writes a log of a million messages and turns over single bits of it, one after the other; tells for each what was in the place,
 * what a reader got, and what verifying said. One JSON object a line. A program of its own: a test runner's hooks make a
 * million steps slow.
 */
import { closeSync, fstatSync, openSync, readdirSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { SeededRandom } from "../../../adapters/memory/random.ts";
import { runtimeCodecs } from "../../../adapters/codecs.ts";
import { runtimeVfs } from "../../../adapters/runtime.ts";
import { systemClock } from "../../../adapters/system.ts";
import { BACKPRESSURE, type LogError, openLog } from "../../../mod.ts";
import { verifyLog } from "../../../src/verify/verify_log.ts";

/** What a flipped bit came to. */
export interface Flip {
  readonly file: string;
  readonly shard: number;
  readonly byte: number;
  /** The batch in that place, by the lengths in the file alone. */
  readonly batch?: { readonly position: number; readonly first: number; readonly last: number };
  readonly records: number;
  readonly wrong: number;
  readonly gaps: readonly { readonly shard: number; readonly from: number; readonly to: number }[];
  readonly stopped?: { readonly code: string; readonly position?: number; readonly range?: readonly [number, number] };
  readonly damage: readonly {
    readonly shard?: number;
    readonly file: string;
    readonly position: number;
    readonly range?: readonly [number, number];
  }[];
}

const MESSAGES = 1_000_000;
const SHARDS = 2;
const HEADER_BYTES = 61;
const [directory, seed, bits] = process.argv.slice(2);
const random = new SeededRandom(Number(seed));

const log = await openLog(directory, { shards: SHARDS, topic: "m", segmentBytes: 8 << 20 });
for (const shard of log.shards) {
  for (let i = 0; i < MESSAGES / SHARDS; i++) {
    while (shard.tryAppend({ value: valueAt(i) }) === BACKPRESSURE) await shard.writable();
  }
}
await log.close();

const files = [0, 1].flatMap((shard) =>
  readdirSync(join(directory, `m-${shard}`)).sort().map((name) => ({
    shard,
    name,
    path: join(directory, `m-${shard}`, name),
  }))
);
const pick = (ending: string): typeof files[number] => random.pick(files.filter(({ name }) => name.endsWith(ending)));
const kinds = [...Array.from({ length: Number(bits) }, () => ".log"), ".idx", "anchor", "state"];
// The first one hits a header: few random bits do.
for (const [i, kind] of kinds.entries()) console.log(JSON.stringify(await flip(pick(kind), i === 0)));

function valueAt(i: number): string {
  return `message ${i}`;
}

async function flip({ path, shard }: typeof files[number], inHeader: boolean): Promise<Flip> {
  const fd = openSync(path, "r+");
  const { size } = fstatSync(fd);
  const bit = random.below(8);
  let byte = random.below(size);
  if (inHeader) byte = batchWith(fd, byte, size)!.position + random.below(HEADER_BYTES);
  const batch = path.endsWith(".log") ? batchWith(fd, byte, size) : undefined;
  const turn = (): void => {
    const one = new Uint8Array(1);
    readSync(fd, one, 0, 1, byte);
    one[0] ^= 1 << bit;
    writeSync(fd, one, 0, 1, byte);
  };
  turn();
  const found = { ...await readAll(), damage: await verify() };
  turn();
  closeSync(fd);
  return { file: path, shard, byte, ...(batch === undefined ? {} : { batch }), ...found };
}

/** Goes from length to length, and believes nothing else. */
function batchWith(fd: number, byte: number, size: number): Flip["batch"] {
  const header = new Uint8Array(HEADER_BYTES);
  const view = new DataView(header.buffer);
  for (let position = 0; position < size;) {
    readSync(fd, header, 0, HEADER_BYTES, position);
    const next = position + 12 + view.getInt32(8);
    const first = Number(view.getBigInt64(0));
    if (byte < next) return { position, first, last: first + view.getInt32(23) };
    position = next;
  }
  return undefined;
}

async function readAll(): Promise<Pick<Flip, "records" | "wrong" | "gaps" | "stopped">> {
  const reader = await openLog(directory, { readOnly: true });
  const gaps: Flip["gaps"][number][] = [];
  let [records, wrong] = [0, 0];
  let stopped: Flip["stopped"];
  try {
    for (const { id } of reader.shards) {
      const onGap = ({ shard, from, to }: Flip["gaps"][number]): void => void gaps.push({ shard, from, to });
      for await (const record of reader.read({ shard: id, onCorrupt: "skip", onGap })) {
        records++;
        if (record.text() !== valueAt(record.offset)) wrong++;
      }
    }
    const from = gaps[0]?.from ?? 0;
    for await (const record of reader.read({ shard: gaps[0]?.shard ?? 0, from: Math.max(0, from - 1), limit: 2 })) {
      if (record.text() !== valueAt(record.offset)) wrong++;
    }
  } catch (error) {
    const { code, position, range } = error as LogError;
    stopped = { code, ...(position === undefined ? {} : { position }), ...(range === undefined ? {} : { range }) };
  }
  await reader.close();
  return { records, wrong, gaps, ...(stopped === undefined ? {} : { stopped }) };
}

async function verify(): Promise<Flip["damage"]> {
  const damage: Flip["damage"][number][] = [];
  await verifyLog({ vfs: runtimeVfs(), clock: systemClock, codecs: runtimeCodecs }, directory, {
    damage: ({ shard, file, position, range }) =>
      damage.push({
        file,
        position,
        ...(shard === undefined ? {} : { shard }),
        ...(range === undefined ? {} : { range }),
      }),
    note: () => {},
    progress: () => {},
  });
  return damage;
}
