/** Every decoder on changed bytes: it answers or says what is wrong, in bounded time and memory. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { anchorIdentity, readAnchor } from "../../src/anchor/anchor.ts";
import { newestSlot } from "../../src/anchor/slot_file.ts";
import { readState, stateIdentity } from "../../src/anchor/state.ts";
import { type Codecs, MAX_UNPACKED_BYTES, noCodecs } from "../../src/batch/codecs.ts";
import { batchFault, headerFault, MAX_BATCH_BYTES } from "../../src/batch/format.ts";
import { RecordDecoder } from "../../src/batch/record_decoder.ts";
import { validateBlob } from "../../src/batch/validate.ts";
import { dumpBatches } from "../../src/cli/dump_batches.ts";
import { dumpManifest } from "../../src/cli/dump_manifest.ts";
import { dumpRows } from "../../src/cli/dump_rows.ts";
import { dumpSlots } from "../../src/cli/dump_slots.ts";
import type { Dump } from "../../src/cli/dump_line.ts";
import { LogError } from "../../src/errors.ts";
import { LoadedIndex } from "../../src/index/index_file.ts";
import { readBatchRow, rowLength } from "../../src/index/rows.ts";
import { decodeManifest, readManifest } from "../../src/log/manifest.ts";
import { StoredRecord } from "../../src/read/stored_record.ts";
import type { VfsFile } from "../../src/vfs.ts";
import { DIRECTORY, shardFile } from "../exhaustive/engine.ts";
import { goldenLogs } from "../exhaustive/golden.ts";
import { mutate, mutations, withTrueChecksum, withTrueRows, withTrueSlots } from "./mutator.ts";
import { SEED, settings } from "./run.ts";
import { watched } from "./watched_vfs.ts";

const [golden] = await goldenLogs();
const { manifest } = await readManifest(golden.vfs, DIRECTORY);
const logFile = shardFile(0, `${"0".repeat(20)}.log`);
const log = golden.vfs.readWhole(logFile);
const rows = golden.vfs.readWhole(logFile.replace(".log", ".idx"));
const batch = log.slice(0, golden.batches[0].bytes);
console.log(`FUZZ_SEED=${SEED} replays these tests`);

/** Answers with as much as it may, as a bomb does. */
const codecs: Codecs = {
  decompress(_codec, data, maxBytes) {
    assert.ok(maxBytes <= MAX_UNPACKED_BYTES);
    if (data.length % 3 === 0) throw new RangeError("not this codec's data");
    return data.length % 3 === 1 ? undefined : data.slice();
  },
};

/** Reads all records of a batch whose checksum is right. */
function decodeAll(bytes: Uint8Array, from: Codecs): void {
  if (batchFault(bytes, 0, bytes.length) !== undefined) return;
  let decoder: RecordDecoder;
  try {
    decoder = new RecordDecoder(bytes, 0, from);
  } catch (error) {
    assert.ok(error instanceof LogError && error.code === "UNSUPPORTED", String(error));
    return;
  }
  let steps = 0;
  while (decoder.next()) {
    // A record has at least seven bytes.
    assert.ok(++steps <= bytes.length / 7, "more records than bytes");
    assert.ok(Number.isSafeInteger(decoder.offset) && Number.isSafeInteger(decoder.timestamp));
    const record = new StoredRecord(0, decoder);
    for (const part of [record.key, record.value, ...record.headers.map(([, value]) => value)]) {
      assert.ok((part?.length ?? 0) <= bytes.length);
    }
  }
}

const inputs = new Map<string, number>();
function count(what: string): void {
  inputs.set(what, (inputs.get(what) ?? 0) + 1);
}

describe("decoders on changed bytes", () => {
  it("batch and records", () => {
    fc.assert(
      fc.property(mutations, fc.boolean(), (list, honest) => {
        count("batch");
        const bytes = mutate(batch, list);
        const fault = headerFault(bytes, 0, bytes.length);
        if (fault === undefined) assert.ok(bytes.length >= 61 && bytes.length <= MAX_BATCH_BYTES);
        const checked = honest ? withTrueChecksum(bytes) : bytes;
        decodeAll(checked, codecs);
        decodeAll(checked, noCodecs);
      }),
      settings(20_000, 1500),
    );
  });

  it("a ready-to-write batch", () => {
    let valid = 0;
    fc.assert(
      fc.property(mutations, (list) => {
        count("blob");
        const blob = withTrueChecksum(mutate(batch, list));
        try {
          assert.ok(validateBlob(blob) <= blob.length / 7);
          valid++;
        } catch (error) {
          assert.ok(error instanceof LogError, String(error));
          assert.ok(error.code === "BATCH_INVALID" || error.code === "UNSUPPORTED", error.code);
        }
      }),
      settings(20_000, 1000),
    );
    assert.ok(valid > 0, "some change nothing that matters");
  });

  it("index rows and index files", async () => {
    const vfs = golden.vfs.snapshot().boot();
    await fc.assert(
      fc.asyncProperty(mutations, fc.boolean(), async (list, honest) => {
        count("index");
        const bytes = honest ? withTrueRows(mutate(rows, list)) : mutate(rows, list);
        for (let at = 0, length = rowLength(bytes, 0); length > 0; length = rowLength(bytes, at)) {
          assert.ok(length >= 8);
          readBatchRow(bytes, at);
          at += length;
        }
        const next = vfs.snapshot().boot();
        next.writeWhole("/x.idx", bytes);
        const index = new LoadedIndex({ logId: manifest!.id, shard: 0, base: 0 }, honest);
        await index.readRows(watched(next, () => {}), "/x.idx", log.length);
        assert.ok(index.position <= log.length && Number.isSafeInteger(index.nextOffset));
      }),
      settings(3000, 1200),
    );
  });

  it("slot files", () => {
    const files = { anchor: anchorIdentity(manifest!.id, 0), state: stateIdentity(manifest!.id, 0) };
    fc.assert(
      fc.property(mutations, fc.constantFrom("anchor" as const, "state" as const), (list, name) => {
        count("slots");
        const slot = newestSlot(withTrueSlots(mutate(golden.vfs.readWhole(shardFile(0, name)), list)), files[name]);
        if (slot === undefined) return;
        if (name === "anchor") readAnchor(slot.slot);
        else readState(slot.slot);
      }),
      settings(3000, 600),
    );
  });

  it("manifest", () => {
    const bytes = golden.vfs.readWhole(`${DIRECTORY}/bimip.json`);
    fc.assert(
      fc.property(fc.oneof(mutations.map((list) => mutate(bytes, list)), fc.uint8Array()), (content) => {
        count("manifest");
        try {
          const found = decodeManifest(content, "bimip.json");
          if (found !== undefined) assert.deepEqual(found, manifest);
        } catch (error) {
          assert.ok(error instanceof LogError && error.code === "FORMAT_TOO_NEW", String(error));
        }
      }),
      settings(10_000, 500),
    );
  });

  it("dump of any file", async () => {
    const dumps: readonly [string, Dump][] = [
      [logFile, dumpBatches],
      [logFile.replace(".log", ".idx"), dumpRows],
      [shardFile(0, "anchor"), dumpSlots("anchor")],
      [shardFile(0, "state"), dumpSlots("state")],
      [`${DIRECTORY}/bimip.json`, dumpManifest],
    ];
    await fc.assert(
      fc.asyncProperty(mutations, fc.constantFrom(...dumps), fc.boolean(), async (list, [path, dump], honest) => {
        count("dump");
        let bytes = mutate(golden.vfs.readWhole(path), list);
        if (honest) bytes = dump === dumpRows ? withTrueRows(bytes) : withTrueSlots(bytes);
        const vfs = golden.vfs.snapshot().boot();
        vfs.writeWhole(path, bytes);
        const file = await watched(vfs, () => {}).open(path, "read") as VfsFile;
        let lines = 0;
        for await (const line of dump(file, bytes.length, path)) {
          JSON.stringify(line);
          assert.ok(++lines <= bytes.length + 3, "more lines than bytes");
        }
      }),
      settings(2000, 1200),
    );
  });

  it("has seen changed bytes of every kind", () => {
    assert.equal(inputs.size, 6);
    console.log("inputs:", Object.fromEntries(inputs));
  });
});
