/** Every `.log` that the engine writes is read by Kafka's own tool, and it says the same as our reader. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, describe, it } from "node:test";
import { openLog } from "../../mod.ts";
import type { LogRecord } from "../../mod.ts";
import { dumpLogSegments } from "../../scripts/kafka_tools/dump_log_segments.ts";
import { missingPrograms } from "../../scripts/kafka_tools/jars.ts";
import type { BatchHeader } from "../../src/batch/format.ts";
import {
  batchBytesAt,
  CODEC_MASK,
  CODECS,
  CONTROL,
  DELETE_HORIZON,
  LOG_APPEND_TIME,
  readHeader,
  TRANSACTIONAL,
} from "../../src/batch/format.ts";
import { toHex } from "../../src/bytes.ts";
import type { GoldenRecord } from "../fixtures/kafka_batches.ts";
import { GOLDEN_BATCHES, goldenBytes } from "../fixtures/kafka_batches.ts";
import { concat, simpleBatch } from "../fixtures/reference_batch.ts";
import type { DumpedFile, DumpedRecord } from "./dump_output.ts";
import { parseDump } from "./dump_output.ts";

const BINARIES = join(import.meta.dirname, "../../node_modules/.bin");
const WRITER = join(import.meta.dirname, "write_log.ts");
const WRITERS: readonly (readonly [runtime: string, ...options: string[]])[] = [
  ["node"],
  ["bun", "run"],
  ["deno", "run", "--allow-all", "--no-check"],
];
/** What the writer appends: two lives, two shards. */
const RECORDS = 2 * 2 * 405;
const FIRST_LOG = "00000000000000000000.log";

const skip = whyNot();
if (skip !== false) console.log(`Kafka's DumpLogSegments is not run: ${skip}`);

/** Why the tool is not run here; with `KAFKA_TOOLS=required` a machine without it fails. */
function whyNot(): string | false {
  if ("Bun" in globalThis || "Deno" in globalThis) return "it runs on Node, over the files of all three runtimes";
  const missing = process.env.KAFKA_TOOLS === "required" ? [] : missingPrograms();
  return missing.length > 0 && `${missing.join(" and ")} must be installed`;
}

/** Files for the tool, and what it printed of all of them in one run. */
interface Work {
  readonly files: readonly DumpedFile[];
  readonly complaints: string;
}

let directory = "";
let work: Work | undefined;

function prepare(): Work {
  if (work !== undefined) return work;
  directory ||= mkdtempSync(join(tmpdir(), "bimiplog-kafka-"));
  for (const [runtime, ...options] of WRITERS) {
    execFileSync(join(BINARIES, runtime), [...options, WRITER, join(directory, runtime)], { stdio: "pipe" });
  }
  const whole = concat(simpleBatch(0, 2), simpleBatch(2, 2), simpleBatch(4, 1));
  const flipped = whole.slice();
  flipped[simpleBatch(0, 2).length + 70] ^= 1;
  const others = {
    golden: concat(...GOLDEN_BATCHES.map(goldenBytes)),
    flipped,
    cut: whole.subarray(0, -3),
    hole: concat(simpleBatch(0, 2), simpleBatch(4, 1)),
  };
  for (const [name, content] of Object.entries(others)) {
    mkdirSync(join(directory, name), { recursive: true });
    writeFileSync(join(directory, name, FIRST_LOG), content);
  }
  const paths = readdirSync(directory, { recursive: true }).map((path) => join(directory, String(path)));
  const { stdout, stderr } = dumpLogSegments(paths.filter((path) => path.endsWith(".log")).sort());
  work = { files: parseDump(stdout), complaints: stderr };
  return work;
}

/** What the tool said of the file with this path below the directory. */
function dumpOf(...path: string[]): DumpedFile {
  const { files } = prepare();
  const file = files.find((file) => file.path === join(directory, ...path));
  assert.ok(file, `the tool did not mention ${path.join("/")}`);
  return file;
}

/** The fields of a batch line, from the header that stands in the file. */
function expectedFields(header: BatchHeader, position: number): Record<string, string> {
  const { attributes, baseOffset, lastOffset, baseSequence } = header;
  const timestampType = (attributes & LOG_APPEND_TIME) !== 0 ? "LogAppendTime" : "CreateTime";
  const horizon = (attributes & DELETE_HORIZON) !== 0 ? `[${header.baseTimestamp}]` : ".empty";
  const fields = {
    baseOffset,
    lastOffset,
    count: header.count,
    baseSequence,
    lastSequence: baseSequence < 0 ? -1 : baseSequence + lastOffset - baseOffset,
    producerId: header.producerId,
    producerEpoch: header.producerEpoch,
    partitionLeaderEpoch: header.epoch,
    isTransactional: (attributes & TRANSACTIONAL) !== 0,
    isControl: (attributes & CONTROL) !== 0,
    deleteHorizonMs: `OptionalLong${horizon}`,
    position,
    [timestampType]: header.maxTimestamp,
    size: header.bytes,
    magic: 2,
    compresscodec: CODECS[attributes & CODEC_MASK],
    crc: header.crc,
    isvalid: true,
  };
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, String(value)]));
}

/** Holds the tool's batches against the headers in the file, and answers the headers. */
function checkBatches(file: DumpedFile): BatchHeader[] {
  const bytes = readFileSync(file.path);
  const headers: BatchHeader[] = [];
  for (let position = 0; position < bytes.length; position += batchBytesAt(bytes, position)) {
    const header = readHeader(bytes, position);
    const batch = file.batches[headers.length];
    assert.ok(batch, `${file.path}: the tool sees no batch at ${position}`);
    assert.deepEqual(Object.fromEntries(batch.fields), expectedFields(header, position), file.path);
    headers.push(header);
  }
  assert.equal(file.batches.length, headers.length, file.path);
  return headers;
}

const hex = (bytes: Uint8Array | null) => bytes === null ? null : toHex(bytes);

function summaryOfDumped({ offset, timestamp, key, value, headerKeys }: DumpedRecord): unknown {
  return { offset, timestamp, key: hex(key), value: hex(value), headerKeys };
}

function summaryOfRead({ offset, timestamp, key, value, headers }: LogRecord): unknown {
  return { offset, timestamp, key: hex(key), value: hex(value), headerKeys: headers.map(([name]) => name).join(",") };
}

async function readLog(path: string): Promise<Map<number, LogRecord[]>> {
  const log = await openLog(path, { readOnly: true });
  const records = new Map<number, LogRecord[]>();
  for (const shard of log.shards) {
    const list: LogRecord[] = [];
    for await (const record of log.read({ shard: shard.id, from: "earliest" })) list.push(record);
    records.set(shard.id, list);
  }
  await log.close();
  return records;
}

describe("Kafka's DumpLogSegments", () => {
  after(() => {
    if (directory !== "") rmSync(directory, { recursive: true, force: true });
  });

  for (const [runtime] of WRITERS) {
    it(`finds every batch and record that ${runtime} wrote, and nothing wrong`, { skip }, async () => {
      const { complaints } = prepare();
      let batches = 0;
      let compared = 0;
      for (const [shard, records] of await readLog(join(directory, runtime))) {
        const folder = `dump-${shard}`;
        const names = readdirSync(join(directory, runtime, folder)).filter((name) => name.endsWith(".log")).sort();
        assert.ok(names.length > 10, `only ${names.length} segments`);
        const dumped: DumpedRecord[] = [];
        for (const name of names) {
          const file = dumpOf(runtime, folder, name);
          assert.deepEqual(file.remarks, [], file.path);
          batches += checkBatches(file).length;
          dumped.push(...file.batches.flatMap((batch) => batch.records));
        }
        assert.deepEqual(dumped.map(summaryOfDumped), records.map(summaryOfRead), `${runtime}, shard ${shard}`);
        compared += dumped.length;
      }
      assert.equal(compared, RECORDS);
      assert.ok(batches > 200, `only ${batches} batches`);
      // It takes -1 for the offset in front of a file, whatever the file's own first offset is.
      const gaps = complaintsOf(complaints, join(directory, runtime));
      assert.deepEqual(gaps.filter((line) => !line.startsWith("-1 is followed by ")), []);
    });
  }

  it("prints of the golden batches what the list of them says", { skip }, () => {
    const file = dumpOf("golden", FIRST_LOG);
    assert.deepEqual(checkBatches(file), GOLDEN_BATCHES.map((golden) => golden.header));
    for (const [i, golden] of GOLDEN_BATCHES.entries()) {
      const { records } = file.batches[i];
      if ((golden.header.attributes & CONTROL) === 0) checkGoldenRecords(records, golden.records);
      else assert.deepEqual(records.map(({ meaning }) => meaning), ["endTxnMarker: COMMIT coordinatorEpoch: 0"]);
    }
  });

  it("notices a flipped bit, a cut batch and a hole: else the checks above would mean nothing", { skip }, () => {
    const flipped = dumpOf("flipped", FIRST_LOG);
    assert.deepEqual(flipped.batches.map((batch) => batch.fields.get("isvalid")), ["true", "false", "true"]);
    assert.throws(() => checkBatches(flipped), assert.AssertionError);
    const cut = dumpOf("cut", FIRST_LOG);
    assert.equal(cut.batches.length, 2);
    assert.match(cut.remarks.join("\n"), /^Found 70 invalid bytes at the end of/);
    assert.throws(() => checkBatches(cut), assert.AssertionError);
    const hole = dumpOf("hole", FIRST_LOG);
    assert.equal(checkBatches(hole).length, 2);
    assert.deepEqual(complaintsOf(prepare().complaints, join(directory, "hole")), ["1 is followed by 4"]);
  });
});

function checkGoldenRecords(dumped: readonly DumpedRecord[], golden: readonly GoldenRecord[]): void {
  const bytes = (text: string | null) => text === null ? null : hex(new TextEncoder().encode(text));
  assert.deepEqual(
    dumped.map(summaryOfDumped),
    golden.map(({ offset, timestamp, key, value, headers }) => ({
      offset,
      timestamp,
      key: bytes(key),
      value: bytes(value),
      headerKeys: headers.map(([name]) => name).join(","),
    })),
  );
}

/** Lines such as "3 is followed by 7", for the files below `folder`. */
function complaintsOf(complaints: string, folder: string): string[] {
  const found: string[] = [];
  let ours = false;
  for (const line of complaints.split("\n")) {
    const path = /^Non-consecutive offsets in (.+)$/.exec(line)?.[1];
    if (path !== undefined) ours = path.startsWith(`${folder}/`);
    else if (ours && line.startsWith("  ")) found.push(line.trim());
    else if (line !== "" && !line.startsWith("  ")) assert.match(line, /^SLF4J: /, "no other complaint is known");
  }
  return found;
}
