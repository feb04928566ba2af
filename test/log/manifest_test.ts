/** The manifest: two copies of a checksummed file, and a hand kept off what a newer version wrote. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { runtimeCodecs } from "../../adapters/codecs.ts";
import type { MemoryVfs, OperationKind } from "../../adapters/memory.ts";
import { memoryVfs, simulatedClock, SimulatedCrash } from "../../adapters/memory.ts";
import { LogError } from "../../src/errors.ts";
import {
  decodeManifest,
  encodeManifest,
  isTopic,
  MANIFEST_NAMES,
  readManifest,
  shardDirectory,
  writeManifest,
} from "../../src/log/manifest.ts";
import type { Manifest } from "../../src/log/manifest.ts";
import { openWith } from "../../src/log/open.ts";
import type { OpenOptions } from "../../src/options.ts";
import { referenceCrc } from "../fixtures/reference_batch.ts";
import { announceSeed } from "../fixtures/seed.ts";

const seed = announceSeed("manifest_test");

const DIRECTORY = "data/chat";
const encoder = new TextEncoder();
const manifest: Manifest = {
  id: Uint8Array.from("6f0c1f2b6d3a4c55a0a7d5e9b1c2d3e4".match(/../g)!.map((digits) => Number.parseInt(digits, 16))),
  topic: "chat",
  shards: 4,
};

/** A manifest with these fields and a right checksum, as docs/format.md has it. */
function documented(changes: Record<string, unknown> = {}): Uint8Array {
  const fields = {
    format: 1,
    compatible: 0,
    incompatible: 0,
    id: "6f0c1f2b6d3a4c55a0a7d5e9b1c2d3e4",
    topic: "chat",
    shards: 4,
    ...changes,
  };
  const covered = `{\n${
    Object.entries(fields).map(([name, value]) => `  "${name}": ${JSON.stringify(value)},`).join("\n")
  }`;
  const checksum = referenceCrc(encoder.encode(covered)).toString(16).padStart(8, "0");
  return encoder.encode(`${covered}\n  "checksum": "crc32c:${checksum}"\n}\n`);
}

function isTooNew(error: unknown): boolean {
  return error instanceof LogError && error.code === "FORMAT_TOO_NEW" && error.message.includes("nothing was changed");
}

describe("a manifest", () => {
  it("has the documented text", () => {
    assert.equal(new TextDecoder().decode(encodeManifest(manifest)), new TextDecoder().decode(documented()));
  });

  it("says the same when it is read again", () => {
    const topic = fc.stringMatching(/^[a-zA-Z0-9._-]{1,249}$/).filter((name) => name !== "." && name !== "..");
    const id = fc.uint8Array({ minLength: 16, maxLength: 16 });
    fc.assert(fc.property(id, topic, fc.integer({ min: 1, max: 65_536 }), (id, topic, shards) => {
      assert.deepEqual(decodeManifest(encodeManifest({ id, topic, shards }), "f"), { id, topic, shards });
    }));
  });

  it("is refused with any bit flipped, and never taken for a newer one", () => {
    const bytes = encodeManifest(manifest);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      bytes[bit >> 3] ^= 1 << (bit & 7);
      assert.equal(decodeManifest(bytes, "f"), undefined, `bit ${bit}`);
      bytes[bit >> 3] ^= 1 << (bit & 7);
    }
    assert.deepEqual(decodeManifest(bytes, "f"), manifest);
  });

  it("is refused wherever it is cut, and with anything behind it", () => {
    const bytes = encodeManifest(manifest);
    for (let length = 0; length < bytes.length; length++) {
      assert.equal(decodeManifest(bytes.subarray(0, length), "f"), undefined, `cut to ${length}`);
    }
    for (const more of ["\n", " ", "\0", "}"]) {
      assert.equal(decodeManifest(Uint8Array.of(...bytes, ...encoder.encode(more)), "f"), undefined);
    }
  });

  it("is refused where a field makes no sense, although the checksum is right [fault 52]", () => {
    const wrong: Record<string, unknown>[] = [
      { shards: 0 },
      { shards: -1 },
      { shards: 1.5 },
      { shards: 65_537 },
      { shards: "4" },
      { shards: null },
      { topic: "" },
      { topic: ".." },
      { topic: "a/b" },
      { topic: "ä" },
      { topic: "a".repeat(250) },
      { topic: 7 },
      { id: "" },
      { id: "6f0c" },
      { id: "6f0c1f2b6d3a4c55a0a7d5e9b1c2d3eg" },
      { id: 5 },
      { format: "1" },
      { format: null },
      { incompatible: "0" },
    ];
    for (const changes of wrong) {
      assert.equal(decodeManifest(documented(changes), "f"), undefined, JSON.stringify(changes));
    }
  });

  it("may have compatible features and fields that nobody knows yet", () => {
    for (const changes of [{ compatible: 7 }, { compatible: 2 ** 40 }, { later: { a: [1] } }]) {
      assert.deepEqual(decodeManifest(documented(changes), "f"), manifest, JSON.stringify(changes));
    }
  });

  it("of a newer format or with an unknown incompatible feature is FORMAT_TOO_NEW [faults 51, 59]", () => {
    for (const format of [2, 3, 1000, 2 ** 40]) {
      assert.throws(() => decodeManifest(documented({ format }), "f"), isTooNew);
    }
    for (const bit of [0, 1, 7, 15, 30, 31]) {
      assert.throws(() => decodeManifest(documented({ incompatible: 2 ** bit }), "f"), isTooNew, `bit ${bit}`);
    }
    // Whatever else the newer version changed.
    for (const changes of [{ topic: 7 }, { shards: [1, 2] }, { id: "none" }]) {
      assert.throws(() => decodeManifest(documented({ format: 2, ...changes }), "f"), isTooNew);
    }
  });

  it("with an unknown incompatible feature above the 32nd is FORMAT_TOO_NEW too", () => {
    for (const bit of [32, 33, 40, 52]) {
      assert.throws(() => decodeManifest(documented({ incompatible: 2 ** bit }), "f"), isTooNew, `bit ${bit}`);
    }
  });
});

describe("names", () => {
  it("of topics are those that Kafka takes", () => {
    for (const name of ["a", "A-1_b.c", "...", "..a", "a".repeat(249), "0"]) assert.equal(isTopic(name), true, name);
    for (const name of ["", ".", "..", "a/b", "a b", "ä", "a\n", "\0", "a".repeat(250), "a\\b", "a:b"]) {
      assert.equal(isTopic(name), false, JSON.stringify(name));
    }
  });

  it("of shards are Kafka's names of partitions", () => {
    assert.equal(shardDirectory("data/chat", "chat", 11), "data/chat/chat-11");
  });
});

describe("the two copies", () => {
  const other = encodeManifest({ ...manifest, topic: "other" });
  const good = encodeManifest(manifest);
  const damaged = good.slice(0, -1);

  async function read(first: Uint8Array | undefined, second: Uint8Array | undefined): Promise<unknown[]> {
    const vfs = memoryVfs();
    vfs.writeWhole(`${DIRECTORY}/lock`, new Uint8Array(0));
    [first, second].forEach((bytes, i) => bytes && vfs.writeWhole(`${DIRECTORY}/${MANIFEST_NAMES[i]}`, bytes));
    const found = await readManifest(vfs, DIRECTORY);
    return [found.manifest?.topic, found.present, found.intact];
  }

  it("stand in for each other", async () => {
    assert.deepEqual(await read(good, good), ["chat", 2, 2]);
    assert.deepEqual(await read(good, undefined), ["chat", 1, 1]);
    assert.deepEqual(await read(undefined, good), ["chat", 1, 1]);
    assert.deepEqual(await read(damaged, good), ["chat", 2, 1]);
    assert.deepEqual(await read(good, damaged), ["chat", 2, 1]);
    // An empty file is as a missing one.
    assert.deepEqual(await read(new Uint8Array(0), good), ["chat", 1, 1]);
    assert.deepEqual(await read(new Uint8Array(200_000), good), ["chat", 2, 1]);
    assert.deepEqual(await read(good, other), ["chat", 2, 2]);
  });

  it("are none where neither is intact", async () => {
    assert.deepEqual(await read(damaged, damaged), [undefined, 2, 0]);
    assert.deepEqual(await read(undefined, damaged), [undefined, 1, 0]);
    assert.deepEqual(await read(undefined, undefined), [undefined, 0, 0]);
    assert.deepEqual(await readManifest(memoryVfs(), "nowhere"), { manifest: undefined, present: 0, intact: 0 });
  });

  it("are FORMAT_TOO_NEW if either is", async () => {
    const newer = documented({ format: 2 });
    for (
      const [first, second] of [[newer, newer], [newer, good], [good, newer], [damaged, newer], [newer, undefined]]
    ) {
      await assert.rejects(read(first, second), isTooNew);
    }
  });

  it("are there whole or not at all, wherever the machine stops while they are written", async () => {
    let last = 0;
    for (let operation = 1; last === 0; operation++) {
      for (const kind of ["process", "power"] as const) {
        const vfs = memoryVfs({ seed: seed + operation });
        await vfs.makeDirectory(DIRECTORY);
        await vfs.syncDirectory("data");
        await vfs.syncDirectory("");
        // What an earlier attempt left.
        vfs.writeWhole(`${DIRECTORY}/${MANIFEST_NAMES[0]}.tmp`, damaged);
        vfs.crashAt(vfs.operations + operation);
        try {
          await writeManifest(vfs, DIRECTORY, manifest);
          last = operation;
        } catch (error) {
          assert.ok(error instanceof SimulatedCrash, String(error));
        }
        const next = vfs.crash(kind);
        const found = await readManifest(next, DIRECTORY);
        assert.equal(found.intact, found.present, `operation ${operation}`);
        if (found.intact > 0) assert.deepEqual(found.manifest, manifest);
        if (last > 0) assert.equal(found.intact, 2);
        // The copy that is looked at first is the last one to appear.
        if (kind === "process" && next.paths().includes(`${DIRECTORY}/${MANIFEST_NAMES[0]}`)) {
          assert.equal(found.intact, 2);
        }
      }
    }
    assert.ok(last > 8, `the machine stopped ${last} times`);
  });
});

describe("a log of a newer version", () => {
  const CHANGES: ReadonlySet<OperationKind> = new Set(
    ["makeDirectory", "remove", "rename", "syncDirectory", "lock", "write", "truncate", "sync"] as const,
  );

  /** Everything on the disk. */
  function contents(vfs: MemoryVfs): [string, Uint8Array][] {
    return vfs.paths().map((path) => [path, vfs.readWhole(path)]);
  }

  const newer: [what: string, bytes: Uint8Array][] = [
    ["format 2", documented({ format: 2 })],
    ["an incompatible feature", documented({ incompatible: 1 })],
    ["the last incompatible feature of 32", documented({ incompatible: 2 ** 31 })],
  ];
  for (const [what, bytes] of newer) {
    for (const options of [{}, { readOnly: true }, { shards: 4, acceptDataLoss: true }] satisfies OpenOptions[]) {
      it(`is refused and left untouched: ${what}, ${JSON.stringify(options)} [faults 51, 59]`, async () => {
        const vfs = memoryVfs();
        for (const name of MANIFEST_NAMES) vfs.writeWhole(`${DIRECTORY}/${name}`, bytes);
        vfs.writeWhole(`${DIRECTORY}/chat-0/00000000000000000000.log`, Uint8Array.of(1, 2, 3));
        vfs.writeWhole(`${DIRECTORY}/chat-0/state`, Uint8Array.of(4, 5, 6));
        const before = contents(vfs);
        vfs.onOperation(({ kind, path }) => assert.ok(!CHANGES.has(kind), `${kind} ${path}`));
        const engine = {
          vfs,
          clock: simulatedClock(),
          random: () => assert.fail("no id is made"),
          codecs: runtimeCodecs,
        };
        await assert.rejects(openWith(engine, DIRECTORY, options), isTooNew);
        assert.deepEqual(contents(vfs), before);
      });
    }
  }
});
