/** Two slots written in turn: whatever happens to one of them, the other is found. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Fault, MemoryOptions, MemoryVfs } from "../../adapters/memory.ts";
import { memoryVfs } from "../../adapters/memory.ts";
import {
  newestSlot,
  PAYLOAD_AT,
  readSlotFile,
  SLOT_BYTES,
  SLOT_FILE_BYTES,
  SlotFile,
} from "../../src/anchor/slot_file.ts";
import type { SlotIdentity } from "../../src/anchor/slot_file.ts";
import { VfsError } from "../../src/vfs.ts";
import { referenceCrc } from "../fixtures/reference_batch.ts";

const PATH = "shard/anchor";
const SECOND_AT = 4096;
const identity: SlotIdentity = { magic: 0x424d414e, logId: new Uint8Array(16).fill(0xc3), shard: 0x9000 };

function machine(options: MemoryOptions = {}): MemoryVfs {
  const vfs = memoryVfs(options);
  vfs.writeWhole("shard/other", new Uint8Array(0));
  return vfs;
}

/** Writes one slot per payload byte, the epoch ten times the byte. */
async function writeAll(vfs: MemoryVfs, payloads: readonly number[]): Promise<void> {
  const file = await SlotFile.open(vfs, PATH, identity);
  for (const byte of payloads) await file.write(byte * 10, (slot) => slot.fill(byte, PAYLOAD_AT, PAYLOAD_AT + 3));
  await file.close();
}

/** Generation and payload of the newest valid slot. */
async function newest(vfs: MemoryVfs): Promise<[generation: number, payload: number] | undefined> {
  const slot = await readSlotFile(vfs, PATH, identity);
  return slot && [slot.generation, slot.bytes[PAYLOAD_AT]];
}

/** A slot as docs/format.md has it. */
function documentedSlot(generation: bigint, epoch: number, payload: number): Uint8Array {
  const slot = new Uint8Array(SLOT_BYTES);
  const view = new DataView(slot.buffer);
  view.setUint32(0, identity.magic);
  view.setBigInt64(8, generation);
  slot.set(identity.logId, 16);
  view.setUint32(32, identity.shard);
  view.setInt32(36, epoch);
  slot.fill(payload, PAYLOAD_AT, PAYLOAD_AT + 3);
  view.setUint32(4, referenceCrc(slot.subarray(8)));
  return slot;
}

/** Both slots in a file; `undefined` is zeros. */
function contentOf(first: Uint8Array | undefined, second: Uint8Array | undefined): Uint8Array {
  const content = new Uint8Array(SLOT_FILE_BYTES);
  if (first) content.set(first, 0);
  if (second) content.set(second, SECOND_AT);
  return content;
}

describe("a slot file", () => {
  it("has nothing to say before the first write, and where there is none", async () => {
    const vfs = machine();
    assert.equal(await newest(vfs), undefined);
    await writeAll(vfs, []);
    assert.deepEqual(vfs.readWhole(PATH), new Uint8Array(SLOT_FILE_BYTES));
    assert.equal(await newest(vfs), undefined);
  });

  it("holds the last two writes, in the documented bytes", async () => {
    const vfs = machine();
    const expected: [Uint8Array | undefined, Uint8Array | undefined] = [undefined, undefined];
    for (let writes = 1; writes <= 5; writes++) {
      await writeAll(vfs, [writes]);
      expected[(writes - 1) % 2] = documentedSlot(BigInt(writes), writes * 10, writes);
      assert.deepEqual(vfs.readWhole(PATH), contentOf(...expected), `after ${writes} writes`);
      assert.deepEqual(await newest(vfs), [writes, writes]);
    }
  });

  it("is the same whether it is kept open or opened for every write", async () => {
    const kept = machine();
    await writeAll(kept, [1, 2, 3]);
    const opened = machine();
    for (const byte of [1, 2, 3]) await writeAll(opened, [byte]);
    assert.deepEqual(kept.readWhole(PATH), opened.readWhole(PATH));
  });

  it("leaves nothing of an earlier payload behind", async () => {
    const vfs = machine();
    const file = await SlotFile.open(vfs, PATH, identity);
    await file.write(1, (slot) => slot.fill(0xff, PAYLOAD_AT));
    await file.write(2, (slot) => slot.fill(0xff, PAYLOAD_AT));
    await file.write(30, (slot) => slot.fill(3, PAYLOAD_AT, PAYLOAD_AT + 3));
    assert.deepEqual(vfs.readWhole(PATH).subarray(0, SLOT_BYTES), documentedSlot(3n, 30, 3));
    await file.close();
  });

  it("answers epoch and generation of any size", async () => {
    const vfs = machine();
    for (const [generation, epoch] of [[2n ** 53n - 2n, 2 ** 31 - 1], [1n, 0], [2n ** 32n, 65_536]] as const) {
      vfs.writeWhole(PATH, contentOf(documentedSlot(generation, epoch, 1), undefined));
      const slot = await readSlotFile(vfs, PATH, identity);
      assert.deepEqual([slot?.generation, slot?.epoch], [Number(generation), epoch]);
    }
  });
});

describe("damage to a slot", () => {
  /** Generations 3 and 2 in the first and second slot. */
  async function written(): Promise<Uint8Array> {
    const vfs = machine();
    await writeAll(vfs, [1, 2, 3]);
    return vfs.readWhole(PATH);
  }
  const generation = (content: Uint8Array) => newestSlot(content, identity)?.slot.generation;

  it("leaves the other one: every bit of either slot", async () => {
    const content = await written();
    for (const [at, survivor] of [[0, 2], [SECOND_AT, 3]]) {
      for (let bit = 0; bit < SLOT_BYTES * 8; bit++) {
        const byte = at + (bit >> 3);
        content[byte] ^= 1 << (bit & 7);
        assert.equal(generation(content), survivor, `byte ${byte}`);
        content[byte] ^= 1 << (bit & 7);
      }
    }
    assert.equal(generation(content), 3);
  });

  it("means nothing between the slots", async () => {
    const content = await written();
    content.fill(0xff, SLOT_BYTES, SECOND_AT);
    content.fill(0xff, SECOND_AT + SLOT_BYTES);
    assert.equal(generation(content), 3);
  });

  it("of both leaves nothing", async () => {
    const content = await written();
    content[100] ^= 1;
    content[SECOND_AT + 100] ^= 1;
    assert.equal(generation(content), undefined);
  });

  it("by cutting the file leaves the whole slots, and opening gives it its size again", async () => {
    const content = await written();
    for (let length = 0; length <= SLOT_FILE_BYTES; length += 64) {
      const vfs = machine();
      vfs.writeWhole(PATH, content.subarray(0, length));
      const left = length < SLOT_BYTES ? undefined : 3;
      assert.equal((await newest(vfs))?.[0], left, `cut to ${length}`);
      await writeAll(vfs, [9]);
      assert.equal(vfs.readWhole(PATH).length, SLOT_FILE_BYTES);
      assert.deepEqual(await newest(vfs), [(left ?? 0) + 1, 9], `cut to ${length}`);
    }
  });

  it("is written over first, so that the good slot stays until there is another one", async () => {
    for (const [damagedAt, goodAt] of [[0, SECOND_AT], [SECOND_AT, 0]]) {
      const vfs = machine();
      const content = await written();
      content[damagedAt + 50] ^= 1;
      const good = content.slice(goodAt, goodAt + SLOT_BYTES);
      vfs.writeWhole(PATH, content);
      const survivor = generation(content)!;
      await writeAll(vfs, [7]);
      assert.deepEqual(vfs.readWhole(PATH).subarray(goodAt, goodAt + SLOT_BYTES), good);
      assert.deepEqual(await newest(vfs), [survivor + 1, 7]);
    }
  });

  it("is a generation that cannot be, although the checksum is right", () => {
    for (const wrong of [0n, -1n, 2n ** 53n, 2n ** 63n - 1n]) {
      assert.equal(generation(contentOf(documentedSlot(wrong, 1, 1), undefined)), undefined, String(wrong));
      assert.equal(generation(contentOf(documentedSlot(wrong, 1, 1), documentedSlot(5n, 1, 1))), 5, String(wrong));
    }
  });
});

describe("a slot of somebody else", () => {
  it("is none: another kind of file, another log, another shard", async () => {
    const vfs = machine();
    await writeAll(vfs, [1, 2]);
    const others: SlotIdentity[] = [
      { ...identity, magic: 0x424d5354 },
      { ...identity, logId: new Uint8Array(16).fill(0xc2) },
      { ...identity, shard: identity.shard + 1 },
    ];
    for (const other of others) assert.equal(await readSlotFile(vfs, PATH, other), undefined);
    assert.deepEqual(await newest(vfs), [2, 2]);
  });

  it("does not count for the newest", () => {
    const foreign = documentedSlot(100n, 1, 1);
    foreign[16] ^= 1;
    new DataView(foreign.buffer).setUint32(4, referenceCrc(foreign.subarray(8)));
    assert.equal(newestSlot(contentOf(foreign, documentedSlot(4n, 1, 1)), identity)?.slot.generation, 4);
  });
});

describe("a failed write of a slot", () => {
  const faults: Fault[] = [
    { kind: "errorBefore" },
    { kind: "errorAfter" },
    { kind: "shortWrite", bytes: 0 },
    { kind: "shortWrite", bytes: "half" },
    { kind: "shortWrite", bytes: "allButOne" },
  ];
  for (const fault of faults) {
    for (const async of [false, true]) {
      const name = `${fault.kind}${"bytes" in fault ? ` ${fault.bytes}` : ""}`;
      it(`is repeated to the same slot, the other stays: ${name}, answered ${async ? "later" : "at once"}`, async () => {
        const vfs = machine({ async });
        const file = await SlotFile.open(vfs, PATH, identity);
        const write = async (byte: number) =>
          await file.write(byte * 10, (slot) => slot.fill(byte, PAYLOAD_AT, PAYLOAD_AT + 3));
        await write(1);
        await write(2);
        const good = vfs.readWhole(PATH).slice(SECOND_AT, SECOND_AT + SLOT_BYTES);
        for (let again = 0; again < 3; again++) {
          vfs.plan({ operation: { kind: "write", path: /anchor/ }, fault });
          await assert.rejects(write(3 + again), VfsError);
          assert.deepEqual(vfs.readWhole(PATH).subarray(SECOND_AT, SECOND_AT + SLOT_BYTES), good);
          // What failed may have landed whole.
          const found = await newest(vfs);
          assert.ok(found?.[0] === 2 || (found?.[0] === 3 && found[1] === 3 + again), `found ${found}`);
        }
        await write(8);
        assert.deepEqual(
          vfs.readWhole(PATH),
          contentOf(documentedSlot(3n, 80, 8), documentedSlot(2n, 20, 2)),
        );
        await write(9);
        assert.deepEqual(await newest(vfs), [4, 9]);
        await file.close();
      });
    }
  }

  it("while the file gets its size does not keep it from being opened later", async () => {
    const vfs = machine();
    vfs.plan({ operation: { kind: "write", path: /anchor/ }, fault: { kind: "errorBefore", code: "NO_SPACE" } });
    await assert.rejects(SlotFile.open(vfs, PATH, identity), { code: "NO_SPACE" });
    await writeAll(vfs, [1]);
    assert.deepEqual(await newest(vfs), [1, 1]);
    assert.deepEqual(vfs.violations, []);
  });
});
