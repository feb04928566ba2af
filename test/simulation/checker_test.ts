/** The simulation itself: it notices what is wrong, and a seed repeats exactly. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Fault, memoryVfs, seededRandom, simulatedClock } from "../../adapters/memory.ts";
import { noCodecs } from "../../src/batch/codecs.ts";
import { crc32c } from "../../src/batch/crc32c.ts";
import { batchBytesAt, CRC_AT, CRC_FROM, patchBatch } from "../../src/batch/format.ts";
import { writeI32 } from "../../src/bytes.ts";
import { openWith } from "../../src/log/open.ts";
import { ShardModel } from "./model.ts";
import { RecordMaker } from "./records.ts";
import { runSchedule, type ScheduleOptions } from "./schedule.ts";
import { storedRecords } from "./stored.ts";
import { Violation } from "./violation.ts";

const LOG = "00000000000000000000.log";
const BATCHES = 6;

/** A shard of six batches of one record each: its model, and the bytes of its `.log`. */
async function written(): Promise<{ model: ShardModel; bytes: Uint8Array }> {
  const random = seededRandom(1);
  const maker = new RecordMaker(random);
  const model = new ShardModel(0);
  const vfs = memoryVfs();
  const engine = { vfs, clock: simulatedClock(), random: random.fill, codecs: noCodecs };
  const log = await openWith(engine, "/log", { flushIntervalMs: 0 });
  for (let i = 0; i < BATCHES; i++) {
    const { input, expected } = maker.make(1_700_000_000_000);
    model.take((await log.append(input)).offset, expected);
    await log.flush("disk");
  }
  model.acknowledge(BATCHES, BATCHES);
  await log.close();
  return { model, bytes: vfs.readWhole(`/log/log-0/${LOG}`) };
}

/** Where each batch starts, and the end. */
function starts(bytes: Uint8Array): number[] {
  const found = [0];
  for (let at = 0; at < bytes.length; found.push(at)) at += batchBytesAt(bytes, at);
  return found;
}

/** What a check says of a shard whose `.log` was changed. */
async function verdictOn(change: (bytes: Uint8Array, at: number[]) => Uint8Array): Promise<string> {
  const { model, bytes } = await written();
  const files = new Map([[LOG, change(bytes.slice(), starts(bytes))]]);
  try {
    model.recover(storedRecords(files, 0), 0, "power");
    return "nothing wrong";
  } catch (error) {
    assert.ok(error instanceof Violation, String(error));
    return error.message;
  }
}

function concat(...parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Everything a failing run says, over some seeds. */
async function failures(count: number, alter: Required<ScheduleOptions>["alter"]): Promise<string[]> {
  const found: string[] = [];
  for (let seed = 1; seed <= count; seed++) {
    const { failure } = await runSchedule(seed, { alter });
    if (failure !== undefined) found.push(failure);
  }
  return found;
}

/** Settings of a machine whose `.log` files always meet one fault. */
function always(fault: Fault): Required<ScheduleOptions>["alter"] {
  const faults = { probability: 1, faults: [fault], on: { path: /\.log$/ } };
  return (settings) => ({ ...settings, profile: "crashes", vfs: { ...settings.vfs, faults } });
}

describe("the check of a recovered shard", () => {
  it("finds nothing wrong where nothing is", async () => {
    assert.equal(await verdictOn((bytes) => bytes), "nothing wrong");
  });

  it("finds a record that is gone", async () => {
    assert.match(await verdictOn((bytes, at) => bytes.subarray(0, at[5])), /lost records 5 to 5.*\(disk\)/);
  });

  it("finds a record that came twice", async () => {
    const doubled = verdictOn((bytes, at) => {
      const copy = bytes.slice(at[5], at[6]);
      patchBatch(copy, 0, BATCHES, 1);
      return concat(bytes, copy);
    });
    assert.match(await doubled, /offset 6, its history ends at 6/);
  });

  it("finds records in another order", async () => {
    const swapped = verdictOn((bytes, at) => {
      const [a, b] = [bytes.slice(at[2], at[3]), bytes.slice(at[3], at[4])];
      patchBatch(a, 0, 3, 1);
      patchBatch(b, 0, 2, 1);
      return concat(bytes.subarray(0, at[2]), b, a, bytes.subarray(at[4]));
    });
    assert.match(await swapped, /gave a wrong \w+.* at offset 2/);
  });

  it("finds a changed byte, with a right checksum too", async () => {
    const flipped = (fixed: boolean) =>
      verdictOn((bytes, at) => {
        bytes[at[2] - 2] ^= 1;
        if (fixed) writeI32(bytes, at[1] + CRC_AT, crc32c(bytes, at[1] + CRC_FROM, at[2]));
        return bytes;
      });
    assert.match(await flipped(false), /is not intact/);
    assert.match(await flipped(true), /gave a wrong \w+.* at offset 1/);
  });

  it("finds bytes that are no batch, and a gap", async () => {
    assert.match(await verdictOn((bytes) => concat(bytes, new Uint8Array(16))), /is not intact/);
    assert.match(
      await verdictOn((bytes, at) => concat(bytes.subarray(0, at[2]), bytes.subarray(at[3]))),
      /has base offset 3, not 2/,
    );
  });
});

describe("a schedule", () => {
  it("fails on a disk that says it has synced and has not", async () => {
    const found = (await failures(30, always({ kind: "lyingSync" }))).join("\n");
    assert.match(found, /which were acknowledged \(disk\)|DATA_LOSS/);
  });

  it("fails on a disk that loses writes", async () => {
    const found = (await failures(30, always({ kind: "lostWrite" }))).join("\n");
    assert.match(found, /which were acknowledged \(disk\)|DATA_LOSS/);
  });

  it("fails where an anchor says more than was ever synced", async () => {
    const alter: Required<ScheduleOptions>["alter"] = (settings) => {
      const { vfs, ...rest } = always({ kind: "lyingSync" })(settings);
      return { ...rest, invariant: true, vfs: { ...vfs, history: /anchor$/ } };
    };
    // Most schedules fail before it comes to that.
    for (let seed = 1; seed <= 200; seed++) {
      const { failure } = await runSchedule(seed, { alter });
      if (failure !== undefined && /recovery \(shard 0: .*anchor/.test(failure)) return;
    }
    assert.fail("no schedule found it");
  });

  it("repeats exactly from its seed", async () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const lines: string[][] = [[], []];
      for (const run of lines) await runSchedule(seed, { trace: (line) => run.push(line) });
      assert.ok(lines[0].length > 100);
      assert.deepEqual(lines[0], lines[1]);
    }
  });

  it("names its seed and how to see it again", async () => {
    const [failure] = await failures(40, always({ kind: "lyingSync" }));
    assert.match(
      failure,
      /^seed \d+: .*\n {2}see it again: (node|bun|deno run -A) scripts\/replay_simulation\.ts \d+$/,
    );
  });
});
