/** The file of a consumer: every bit of it, files of others, names, and every operation of a commit under every fault. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type Fault, memoryVfs, type OperationKind } from "../../adapters/memory.ts";
import { systemClock } from "../../adapters/system.ts";
import { crc32c } from "../../src/batch/crc32c.ts";
import { LogError } from "../../src/errors.ts";
import { CursorFile, readCursor } from "../../src/consumers/cursor_file.ts";
import { BLOCK_BYTES, BLOCK_SHARDS, decodeBlock, encodeCursor } from "../../src/consumers/cursor_slots.ts";
import { cursorFileName, isCursorFile } from "../../src/consumers/names.ts";
import { verifyLog } from "../../src/verify/verify_log.ts";
import { DIRECTORY, engineOn } from "../exhaustive/engine.ts";
import { flipped } from "../exhaustive/flip.ts";
import { share } from "../fixtures/share.ts";
import { fails } from "../helpers.ts";
import { cursorPath, drain, fill, openShards } from "./machine.ts";

const LOG_ID = Uint8Array.from({ length: 16 }, (_, i) => i + 1);

/** A closed log of two shards with 10 records each, of which "mailer" has committed 4 and then 7. */
async function committed(): Promise<ReturnType<ReturnType<typeof memoryVfs>["snapshot"]>> {
  const vfs = memoryVfs({ seed: 5 });
  const log = await openShards(vfs, 2);
  await fill(log, 10);
  const consumer = log.consumer("mailer");
  for (const offset of [3, 6]) {
    for (const shard of [0, 1]) await consumer.commit({ shard, offset });
  }
  await consumer.close();
  await log.close();
  return vfs.snapshot();
}

describe("the file of a consumer", () => {
  it("costs at most one commit for any bit, and is refused where both copies are hit [fault 30]", async () => {
    const start = await committed();
    const content = start.boot().readWhole(cursorPath("mailer"));
    assert.equal(content.length, BLOCK_BYTES);
    let refused = 0;
    const used = [0, 4096].flatMap((from) => Array.from({ length: 512 * 8 }, (_, i) => from * 8 + i));
    const logId = content.slice(16, 32);
    const whole = decodeBlock(content, logId, 0);
    assert.ok(typeof whole === "object");
    assert.deepEqual(whole.offsets, [7, 7]);
    for (const bit of used) {
      const block = decodeBlock(flipped(content, bit), logId, 0);
      const isNewest: boolean = Math.floor(bit / 8 / 4096) === whole.index;
      assert.ok(typeof block === "object", `bit ${bit}`);
      assert.equal(block.generation, isNewest ? whole.generation - 1 : whole.generation, `bit ${bit}`);
      for (const offset of block.offsets) assert.ok(offset === 4 || offset === 7, `bit ${bit}: ${offset}`);
    }
    // Through the log, where one copy is hit and where both are.
    for (let i = 0; i < used.length; i += 401) {
      const vfs = start.boot();
      vfs.writeWhole(cursorPath("mailer"), flipped(content, used[i]));
      const found: string[] = [];
      const damage = ({ file }: { file: string }): void => void found.push(file);
      await verifyLog({ ...engineOn(vfs), clock: systemClock }, DIRECTORY, { damage, note() {}, progress() {} });
      assert.deepEqual(found, [cursorPath("mailer")], `verify, bit ${used[i]}`);
      const log = await openShards(vfs, 2);
      const seen = await drain(log, "mailer", true);
      for (const shard of [0, 1]) for (const offset of [7, 8, 9]) assert.ok(seen.includes(`${shard}/${offset}`));
      assert.ok(!seen.includes("0/0") && !seen.includes("1/3"), "from the beginning");
      await log.close();

      const other = (used[i] + 4096 * 8) % (8192 * 8);
      vfs.writeWhole(cursorPath("mailer"), flipped(flipped(content, used[i]), other));
      const again = await openShards(vfs, 2);
      const error = await fails("CORRUPT_FILE", () => drain(again, "mailer", true));
      assert.equal(error.file, cursorPath("mailer"));
      assert.match(error.message, /--reset/);
      await fails("CORRUPT_FILE", () => again.consumers());
      // The others go on, and a reset makes it anew.
      assert.equal((await drain(again, "other", true)).length, 20);
      await again.groups.reset("mailer", { to: "earliest", shard: undefined, apply: true });
      assert.equal((await drain(again, "mailer", true)).length, 20);
      await again.close();
      refused++;
    }
    console.log(`${used.length} bits decoded, ${refused} of them through the log, each alone and in both copies`);
  });

  it("is refused where it is empty, short, of another log, or of another consumer [fault 31]", async () => {
    const start = await committed();
    const content = start.boot().readWhole(cursorPath("mailer"));
    const foreign = content.slice();
    const id = { logId: LOG_ID, shards: 2, name: "mailer" };
    const cases: readonly (readonly [Uint8Array, "CORRUPT_FILE" | "CONFLICT", RegExp])[] = [
      [new Uint8Array(0), "CORRUPT_FILE", /ends in front of it/],
      [content.subarray(0, 511), "CORRUPT_FILE", /ends in front of it/],
      [new Uint8Array(content.length), "CORRUPT_FILE", /checksum/],
      [encodeCursor(id, [1, 2]), "CORRUPT_FILE", /another log/],
      [encodeCursor({ ...id, logId: foreign.slice(16, 32), name: "Mailer" }, [1, 2]), "CONFLICT", /Mailer/],
      [encodeCursor({ ...id, logId: foreign.slice(16, 32), shards: 3 }, [1, 2, 3]), "CORRUPT_FILE", /another log/],
    ];
    for (const [bytes, code, message] of cases) {
      const vfs = start.boot();
      vfs.writeWhole(cursorPath("mailer"), bytes);
      const log = await openShards(vfs, 2);
      const error = await fails(code, () => drain(log, "mailer", true));
      assert.match(error.message, message);
      assert.deepEqual(vfs.readWhole(cursorPath("mailer")), bytes);
      await log.close();
    }
    // Only a missing one is new.
    const vfs = start.boot();
    vfs.removeWhole(cursorPath("mailer"));
    const log = await openShards(vfs, 2);
    assert.equal((await drain(log, "mailer", true)).length, 20);
    await log.close();
  });

  it("has a name of its own for every consumer, also where capitals do not count [fault 52]", async () => {
    const long = "A".repeat(249);
    const names = ["a", "A", "a.b", "...", "a.lock", "con", "-", long, long.toLowerCase(), `${long.slice(1)}b`];
    const files = names.map(cursorFileName);
    assert.equal(new Set(files.map((file) => file.toLowerCase())).size, names.length);
    for (const file of files) {
      assert.ok(isCursorFile(file) && file.length <= 120 && !/[/\\]/.test(file), file);
      for (const ending of [".lock", ".owner", ".tmp"]) assert.ok(!isCursorFile(file + ending));
    }
    const log = await openShards(memoryVfs({ seed: 1 }), 1);
    for (const name of ["", ".", "..", "a/b", "a\\b", "a b", "ä", "a\0", `${long}x`, "a\n"]) {
      assert.throws(() => log.consumer(name), RangeError, JSON.stringify(name));
    }
    assert.throws(() => log.consumer(7 as unknown as string), TypeError);
    await fill(log, 3);
    for (const name of names) assert.equal((await drain(log, name, true)).length, 3, name);
    assert.deepEqual((await log.consumers()).map(({ name }) => name).sort(), [...names].sort());
    await log.close();
  });

  it("answers or says what is wrong, whatever its bytes are", () => {
    const identity = { logId: LOG_ID, shards: 30, name: "mailer" };
    const content = encodeCursor(identity, Array.from({ length: 30 }, (_, i) => i));
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(content.length - 1), fc.nat(255)), { maxLength: 40 }),
        fc.nat(content.length),
        fc.boolean(),
        (changes, length, isHonest) => {
          const bytes = content.slice(0, length);
          for (const [at, value] of changes) if (at < length) bytes[at] = value;
          // A checksum that is right says nothing of the rest.
          for (let at = 0; isHonest && at + 512 <= bytes.length; at += 4096) {
            new DataView(bytes.buffer, at).setUint32(4, crc32c(bytes, at + 8, at + 512));
          }
          for (const number of [0, 1]) {
            const block = decodeBlock(bytes.subarray(number * BLOCK_BYTES), LOG_ID, number);
            if (typeof block === "string") continue;
            assert.ok(block.offsets.length <= BLOCK_SHARDS);
            for (const offset of block.offsets) assert.ok(Number.isSafeInteger(offset) && offset >= 0);
          }
        },
      ),
      { numRuns: share(3000) },
    );
  });

  it("writes only the blocks that change, and both copies of what goes back", async () => {
    const vfs = memoryVfs({ seed: 2 });
    vfs.makeDirectory("/d");
    const shards = 60;
    const identity = { logId: LOG_ID, shards, name: "m" };
    const offsets = Array.from({ length: shards }, () => 100);
    const file = await CursorFile.create(vfs, "/d", identity, offsets);
    let writes = 0;
    vfs.onOperation(({ kind }) => writes += kind === "write" ? 1 : 0);
    offsets[59] = 101;
    await file.write(offsets, "os");
    assert.equal(writes, 1);
    await file.write(offsets, "os");
    assert.equal(writes, 1);
    offsets[0] = 7;
    await file.write(offsets, "disk");
    assert.equal(writes, 3);
    await file.close();
    const stored = await readCursor(vfs, `/d/${cursorFileName("m")}`, identity);
    assert.deepEqual(stored?.offsets, offsets);
    const content = vfs.readWhole(`/d/${cursorFileName("m")}`);
    for (const at of [0, 4096]) {
      const other = content.slice();
      other.fill(0, at, at + 512);
      const block = decodeBlock(other, LOG_ID, 0);
      assert.ok(typeof block === "object" && block.offsets[0] === 7, "the older copy skips records");
    }
  });

  it("holds what was acknowledged, whatever fails at whichever operation of a commit", async () => {
    const FAULTS: readonly Fault[] = [
      { kind: "errorBefore" },
      { kind: "errorAfter" },
      { kind: "errorBefore", code: "NO_SPACE" },
      { kind: "errorBefore", code: "PERMISSION" },
      { kind: "shortWrite", bytes: "half" },
      { kind: "lostSync" },
    ];
    let cases = 0;
    for (const rung of ["os", "disk"] as const) {
      const first = memoryVfs({ seed: 3 });
      const log = await openShards(first, 2, { durability: rung });
      await fill(log, 10, "disk");
      await log.close();
      const start = first.snapshot();
      const run = async (vfs: ReturnType<typeof memoryVfs>, acknowledged: number[]): Promise<void> => {
        const log = await openShards(vfs, 2, { durability: rung });
        try {
          const consumer = log.consumer("mailer");
          for (const offset of [2, 4, 6]) {
            for (const shard of [0, 1]) {
              await consumer.commit({ shard, offset });
              acknowledged[shard] = offset + 1;
            }
          }
          await consumer.close();
        } finally {
          await log.close();
        }
      };
      const kinds: OperationKind[] = [];
      const plain = start.boot();
      plain.onOperation(({ kind }) => kinds.push(kind));
      await run(plain, [0, 0]);
      for (const [i, kind] of kinds.entries()) {
        for (const fault of FAULTS) {
          if (fault.kind === "shortWrite" && kind !== "write") continue;
          if (fault.kind === "lostSync" && kind !== "sync" && kind !== "syncDirectory") continue;
          const vfs = start.boot({ seed: i });
          vfs.plan({ operation: i + 1, fault });
          const acknowledged = [0, 0];
          let failed: unknown;
          await run(vfs, acknowledged).catch((error: unknown) => failed = error);
          assert.ok(failed === undefined || failed instanceof LogError, String(failed));
          // A sync that lies loses what it likes at a power loss: there the kill of the process is looked at.
          const ending = rung === "disk" && fault.kind !== "lostSync" ? "power" : "process";
          const next = await openShards(vfs.crash(ending), 2);
          const seen = new Set(await drain(next, "mailer", false));
          for (const shard of [0, 1]) {
            const place = `${rung}, operation ${i} (${kind}), ${JSON.stringify(fault)}, then ${ending}`;
            for (let offset = 7; offset < 10; offset++) assert.ok(seen.has(`${shard}/${offset}`), `${place}: skipped`);
            for (let offset = 0; offset < acknowledged[shard]; offset++) {
              assert.ok(!seen.has(`${shard}/${offset}`), `${place}: ${shard}/${offset} was committed`);
            }
          }
          await next.close();
          cases++;
        }
      }
    }
    console.log(`${cases} faults`);
    assert.ok(cases > 200);
  });
});
