/**
 * Turns over every single bit of every file of small logs, opens each for reading and for writing, and reads everything:
 * no wrong record, at most one batch lost, gaps for exactly what is lost.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { anchorIdentity } from "../../src/anchor/anchor.ts";
import { newestSlot } from "../../src/anchor/slot_file.ts";
import { stateIdentity } from "../../src/anchor/state.ts";
import { ROW_BYTES, rowLength } from "../../src/index/rows.ts";
import { decodeManifest, MANIFEST_NAMES, readManifest } from "../../src/log/manifest.ts";
import { verifyLog } from "../../src/verify/verify_log.ts";
import { DIRECTORY, engineOn, isFull, isNode, shardFile } from "./engine.ts";
import { Broken, type Flip, flipped, runFlip } from "./flip.ts";
import { type Golden, goldenLogs } from "./golden.ts";

/** So many times further on is the next bit that is tried where only a sample is; a prime, so that it meets every bit of a byte. */
const SAMPLE_STEP = isNode() ? 13 : 61;
/** So many bytes further on is the next one of a slot file that no slot reads. */
const IDLE_STEP = 122;
/** Of so many bits that belong to one shard one is also read in the other. */
const OTHER_SHARD_STEP = 61;
/** So many bits further on is the next one after which the log is also written to. */
const APPEND_STEP = 23;
const goldens = await goldenLogs();

/** `log`, `idx`, or the name of the file. */
function kindOf(file: string): string {
  const name = file.slice(file.lastIndexOf("/") + 1);
  return /^\d/.test(name) ? name.slice(name.indexOf(".") + 1) : name;
}

class Counts {
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
async function flipAll(
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
function every(step: number, fullStep: number = 1): (content: Uint8Array) => Iterable<number> {
  return function* (content) {
    const actual = isFull() ? fullStep : step * SAMPLE_STEP;
    for (let bit = 0; bit < content.length * 8; bit += actual) yield bit;
  };
}

/** One bit in each of the slots' bytes but so many (in each with `EXHAUSTIVE=full`), and few of the bytes that nobody reads. */
function slotBits(step: number): (content: Uint8Array) => Iterable<number> {
  return function* (content) {
    const slotStep = isFull() ? 1 : isNode() ? step : IDLE_STEP;
    for (let byte = 0; byte < content.length; byte += byte % 4096 < 512 ? slotStep : IDLE_STEP) {
      yield byte * 8 + byte % 8;
    }
  };
}

/** Turns over every `step`th bit of `content` and gives it back as it was; answers how many. */
function eachFlip(content: Uint8Array, check: (bit: number) => void, step: number = 1): number {
  let count = 0;
  for (let bit = 0; bit < content.length * 8; bit += step, count++) {
    content[bit >> 3] ^= 0x80 >> (bit & 7);
    check(bit);
    content[bit >> 3] ^= 0x80 >> (bit & 7);
  }
  return count;
}

describe("every bit of every file", () => {
  for (const [i, golden] of goldens.entries()) {
    // What is closed is looked at bit by bit; the others differ only in how the end is found.
    const rare = i === 0 ? 1 : 7;

    it(`${golden.name}: a bit of a .log costs at most its batch [faults 24, 25, 26, 27]`, async () => {
      const counts = new Counts();
      await flipAll(golden, "log", counts, every(rare));
      counts.print("bits of .log opened");
    });

    it(`${golden.name}: a bit of an .idx changes no read [fault 28]`, async () => {
      const counts = new Counts();
      let bits = 0;
      for (const file of golden.files.filter((path) => kindOf(path) === "idx")) {
        const content = golden.vfs.readWhole(file);
        bits += eachFlip(content, (bit) => {
          const row = (bit >> 3) & ~(ROW_BYTES - 1);
          if (rowLength(content, row) !== 0) assert.fail(`${file}: a row with bit ${bit} flipped counts`);
        });
      }
      await flipAll(golden, "idx", counts, every(9 * rare, 3 * rare));
      counts.print(`each of ${bits} bits of .idx makes its row invalid; opened`);
    });

    it(`${golden.name}: a bit of the manifest or of the owner's note changes nothing [fault 29b]`, async () => {
      const counts = new Counts();
      let bits = 0;
      for (const name of MANIFEST_NAMES) {
        const file = `${DIRECTORY}/${name}`;
        const content = golden.vfs.readWhole(file);
        bits += eachFlip(content, (bit) => {
          if (decodeManifest(content, file) !== undefined) assert.fail(`${file} with bit ${bit} flipped counts`);
        });
      }
      for (const kind of [...MANIFEST_NAMES, "lock.owner"]) await flipAll(golden, kind, counts, every(9 * rare));
      counts.print(`each of ${bits} bits of the manifest makes its copy invalid; opened`);
    });

    it(`${golden.name}: a bit of a slot file costs at most its slot [faults 29, 29a]`, async () => {
      const counts = new Counts();
      let bits = 0;
      const { manifest } = await readManifest(golden.vfs, DIRECTORY);
      for (const kind of ["anchor", "state"]) {
        for (const shard of [0, 1]) {
          const content = golden.vfs.readWhole(shardFile(shard, kind));
          const identity = (kind === "anchor" ? anchorIdentity : stateIdentity)(manifest!.id, shard);
          const { index, slot } = newestSlot(content, identity)!;
          const older = newestSlot(content.slice().fill(0, index * 4096, index * 4096 + 512), identity);
          bits += eachFlip(content, (bit) => {
            // Nobody puts another question to the file than which slot counts.
            const found = newestSlot(content, identity);
            const isHit = bit >> 15 === index && (bit >> 3) % 4096 < 512;
            if (found?.slot.generation !== (isHit ? older?.slot.generation : slot.generation)) {
              assert.fail(`${kind} of shard ${shard} with bit ${bit} flipped: ${found?.slot.generation}`);
            }
          }, isFull() ? 1 : SAMPLE_STEP);
        }
        await flipAll(golden, kind, counts, slotBits(i === 0 ? 5 : 23));
      }
      counts.print(`each of ${bits} bits of slot files costs its slot or nothing; opened`);
    });
  }

  it("verify reports a bit of a .log, wherever it is [faults 24, 25]", async () => {
    let bits = 0;
    for (const golden of goldens.filter(({ name }) => name !== "rebooted")) {
      const snapshot = golden.vfs.snapshot();
      for (const file of golden.files.filter((path) => kindOf(path) === "log")) {
        const content = golden.vfs.readWhole(file);
        const end = golden.batches.findLast((batch) => batch.file === file)!;
        // Behind the last batch stands what no reader ever sees.
        const rare = golden.name === "closed" ? 3 : 23;
        for (const bit of every(rare)(content.subarray(0, end.position + end.bytes))) {
          const vfs = snapshot.boot();
          vfs.writeWhole(file, flipped(content, bit));
          const found: string[] = [];
          const damage = (finding: { file: string }): void => void found.push(finding.file);
          await verifyLog(engineOn(vfs), DIRECTORY, { damage, note() {}, progress() {} });
          assert.ok(found.includes(file), `${golden.name} ${file} bit ${bit} is not reported: ${found}`);
          bits++;
        }
      }
    }
    console.log(`verify reported each of ${bits} bits`);
  });
});
