/** Turns over bits of every file of small logs, opens each for reading and for writing, and reads everything. */
import { isNode } from "../fixtures/share.ts";
import { isFull, shardFile } from "./engine.ts";
import { Broken, type Flip, flipped, runFlip } from "./flip.ts";
import { type Golden, goldenLogs } from "./golden.ts";

/** So many times further on is the next bit that is tried where only a sample is; a prime, so that it meets every bit of a byte. */
export const SAMPLE_STEP: number = isNode() ? 13 : 61;
/** So many bytes further on is the next one of a slot file that no slot reads. */
const IDLE_STEP = 122;
/** Of so many bits that belong to one shard one is also read in the other. */
const OTHER_SHARD_STEP = 61;
/** So many bits further on is the next one after which the log is also written to. */
const APPEND_STEP = 23;
/** The logs whose bits are turned over. */
export const goldens: readonly Golden[] = await goldenLogs();

/** `log`, `idx`, or the name of the file. */
export function kindOf(file: string): string {
  const name = file.slice(file.lastIndexOf("/") + 1);
  return /^\d/.test(name) ? name.slice(name.indexOf(".") + 1) : name;
}

/** How often what became of a bit. */
export class Counts {
  readonly #counts = new Map<string, number>();
  add(what: string): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + 1);
  }
  print(title: string): void {
    const lines = [...this.#counts].sort(([a], [b]) => a < b ? -1 : 1).map(([what, count]) => `  ${count} ${what}`);
    console.log(`${title}:\n${lines.join("\n")}`);
  }
}

/** Runs the flips of all files of a kind; `bits` says which bits of a file. */
export async function flipAll(
  golden: Golden,
  kind: string,
  counts: Counts,
  bits: (content: Uint8Array) => Iterable<number>,
): Promise<void> {
  const snapshot = golden.vfs.snapshot();
  for (const file of golden.files.filter((path) => kindOf(path) === kind)) {
    const content = golden.vfs.readWhole(file);
    const own = [0, 1].filter((shard) => file.startsWith(shardFile(shard, "")));
    for (const bit of bits(content)) {
      const shards = own.length === 0 || bit % OTHER_SHARD_STEP === 0 ? [0, 1] : own;
      const appends = bit % APPEND_STEP === 0;
      // For reading too: all bits but some of those that every check of a batch covers alike.
      const reads = isFull() || kind !== "log" || bit % 4 === (bit >> 3) % 4;
      const flip: Flip = { golden, snapshot, file, content: flipped(content, bit), shards, appends, reads };
      counts.add(`${golden.name} ${kind}: ${await outcomeOf(flip, bit)}`);
    }
  }
}

async function outcomeOf(flip: Flip, bit: number): Promise<string> {
  const { golden, file } = flip;
  const byte = bit >> 3;
  const where = `${golden.name} ${file} bit ${bit} (byte ${byte})`;
  try {
    const { writing, reading, missing } = await runFlip(flip);
    const hit = golden.batches.find((batch) =>
      batch.file === file && byte >= batch.position && byte < batch.position + batch.bytes
    );
    for (const name of missing) {
      const [shard, offset] = name.split("/").map(Number);
      if (hit === undefined || shard !== hit.shard || offset < hit.first || offset > hit.last) {
        throw new Broken(`record ${name} cannot be read any more`);
      }
    }
    return `writing ${writing}, reading ${reading}, ${missing.size === 0 ? "all read" : "one batch lost"}`;
  } catch (error) {
    throw new Error(`${where}: ${(error as Error).message}`, { cause: error });
  }
}

/** A sample of every `step`th bit; with `EXHAUSTIVE=full` every `fullStep`th, which is more than one only where a decoder sees all bits. */
export function every(step: number, fullStep: number = 1): (content: Uint8Array) => Iterable<number> {
  return function* (content) {
    const actual = isFull() ? fullStep : step * SAMPLE_STEP;
    for (let bit = 0; bit < content.length * 8; bit += actual) yield bit;
  };
}

/** One bit in each of the slots' bytes but so many (in each with `EXHAUSTIVE=full`), and few of the bytes that nobody reads. */
export function slotBits(step: number): (content: Uint8Array) => Iterable<number> {
  return function* (content) {
    const slotStep = isFull() ? 1 : isNode() ? step : IDLE_STEP;
    for (let byte = 0; byte < content.length; byte += byte % 4096 < 512 ? slotStep : IDLE_STEP) {
      yield byte * 8 + byte % 8;
    }
  };
}

/** Turns over every `step`th bit of `content` and gives it back as it was; answers how many. */
export function eachFlip(content: Uint8Array, check: (bit: number) => void, step: number = 1): number {
  let count = 0;
  for (let bit = 0; bit < content.length * 8; bit += step, count++) {
    content[bit >> 3] ^= 0x80 >> (bit & 7);
    check(bit);
    content[bit >> 3] ^= 0x80 >> (bit & 7);
  }
  return count;
}
