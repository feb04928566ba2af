/** What a mirror remembers is read as it was written, or refused; after a power loss it is there whole, or as it was. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { memoryVfs, SimulatedCrash } from "../../adapters/memory.ts";
import { type MirrorPlace, type MirrorState, readMirrorState, writeMirrorState } from "../../src/kafka/mirror_state.ts";
import { OffsetMapping } from "../../src/kafka/offset_mapping.ts";
import type { Vfs } from "../../src/vfs.ts";
import { fails } from "../helpers.ts";

const LOG_ID = new Uint8Array(16).fill(3);

function placeIn(vfs: Vfs): MirrorPlace {
  return { vfs, directory: "/log", logId: LOG_ID, clusterId: "a/b", topic: "chat", shard: 2 };
}

function state(n: number): MirrorState {
  return { mapping: new OffsetMapping([[0, 0], [n + 5, n]]), producer: { id: n, epoch: 1 }, producerStart: n };
}

function shown({ mapping, producer, producerStart }: MirrorState): unknown {
  return { spans: mapping.spans, producer, producerStart };
}

describe("the file of a mirror", () => {
  it("is read as it was written", async () => {
    const vfs = memoryVfs();
    await vfs.makeDirectory("/log");
    assert.equal(await readMirrorState(placeIn(vfs)), undefined);
    for (const n of [1, 2, 2 ** 50]) {
      await writeMirrorState(placeIn(vfs), state(n));
      assert.deepEqual(shown((await readMirrorState(placeIn(vfs)))!), shown(state(n)));
    }
    assert.deepEqual((await vfs.list("/log")).map(({ name }) => name), ["mirror.a_b.chat.2"]);
  });

  it("is the old one or the new one, wherever the machine stops while it is written", async () => {
    let isWritten = false;
    for (let operation = 1; !isWritten; operation++) {
      for (const kind of ["process", "power"] as const) {
        for (let seed = 1; seed <= 20; seed++) {
          const vfs = memoryVfs({ seed });
          await vfs.makeDirectory("/log");
          await vfs.syncDirectory("/");
          await writeMirrorState(placeIn(vfs), state(1));
          vfs.crashAt(vfs.operations + operation);
          isWritten = await writeMirrorState(placeIn(vfs), state(2)).then(() => true, (error) => {
            assert.ok(error instanceof SimulatedCrash, String(error));
            return false;
          });
          const found = shown((await readMirrorState(placeIn(vfs.crash(kind))))!);
          const isNew = (found as { producerStart: number }).producerStart === 2;
          assert.deepEqual(found, shown(state(isNew ? 2 : 1)), `operation ${operation}, ${kind}, seed ${seed}`);
          assert.ok(isNew || !isWritten, "what was written is there");
        }
      }
    }
  });

  it("is refused where it belongs to something else", async () => {
    const vfs = memoryVfs();
    await vfs.makeDirectory("/log");
    await writeMirrorState(placeIn(vfs), state(1));
    await fails("CONFLICT", () => readMirrorState({ ...placeIn(vfs), logId: new Uint8Array(16) }));
  });

  it("is refused with any bit flipped, and wherever it is cut", async () => {
    const vfs = memoryVfs();
    await vfs.makeDirectory("/log");
    await writeMirrorState(placeIn(vfs), state(7));
    const file = await vfs.open("/log/mirror.a_b.chat.2", "write");
    const bytes = new Uint8Array(await file.size());
    await file.read(bytes, 0);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = bytes.slice();
      flipped[bit >> 3] ^= 1 << (bit & 7);
      await file.write(flipped, 0);
      await fails("CORRUPT_FILE", () => readMirrorState(placeIn(vfs)));
    }
    await file.write(bytes, 0);
    for (let size = bytes.length - 1; size >= 0; size -= 7) {
      await file.truncate(size);
      await fails("CORRUPT_FILE", () => readMirrorState(placeIn(vfs)));
    }
    await file.close();
  });
});
