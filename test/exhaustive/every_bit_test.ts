/** Every single bit of the other files of small logs changes no record; and verify reports every bit of a `.log`. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { anchorIdentity } from "../../src/anchor/anchor.ts";
import { newestSlot } from "../../src/anchor/slot_file.ts";
import { stateIdentity } from "../../src/anchor/state.ts";
import { ROW_BYTES, rowLength } from "../../src/index/rows.ts";
import { decodeManifest, MANIFEST_NAMES, readManifest } from "../../src/log/manifest.ts";
import { verifyLog } from "../../src/verify/verify_log.ts";
import { DIRECTORY, engineOn, isFull, shardFile } from "./engine.ts";
import { Counts, eachFlip, every, flipAll, goldens, kindOf, SAMPLE_STEP, slotBits } from "./every_bit.ts";
import { flipped } from "./flip.ts";

describe("every bit of every file", () => {
  for (const [i, golden] of goldens.entries()) {
    // What is closed is looked at bit by bit; the others differ only in how the end is found.
    const rare = i === 0 ? 1 : 7;

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
