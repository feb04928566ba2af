/** Nothing changes a file in place that a backup has linked: not the log, and not the backup. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { MemoryVfs } from "../../adapters/memory.ts";
import { openWith } from "../../src/log/open.ts";
import {
  appendBatches,
  batchesOf,
  damage,
  DIRECTORY,
  engineOn,
  flip,
  makeLog,
  open,
  repair,
  segmentFile,
} from "../recovery/repair_log.ts";

const COPY = "/data/copy";

/** A log of several segments, and a backup of it. */
async function backedUp(): Promise<{ vfs: MemoryVfs; copy: ReadonlyMap<string, string> }> {
  const vfs = await makeLog({ lives: [12, 12] });
  const log = await open(vfs, { readOnly: true });
  const { linkedBytes } = await log.backup(COPY);
  await log.close();
  assert.ok(linkedBytes > 0);
  return { vfs, copy: contentOf(vfs, COPY) };
}

function contentOf(vfs: MemoryVfs, directory: string): Map<string, string> {
  const paths = vfs.paths().filter((path) => `/${path}`.startsWith(`${directory}/`) && !path.includes("/lock"));
  return new Map(paths.map((path) => [path, [...vfs.readWhole(path)].join()]));
}

/** The segments of the log from the `nth` on are gone: it ends in one that a backup has linked. */
function loseFrom(vfs: MemoryVfs, nth: number): void {
  const segments = [...new Set(batchesOf(vfs).map(({ segment }) => segment))];
  for (const base of segments.slice(nth)) {
    vfs.removeWhole(segmentFile(0, base));
    vfs.removeWhole(segmentFile(0, base, "idx"));
  }
}

describe("a backup stays as it is", () => {
  it("where the log goes on in a segment that was finished once, after a loss that was accepted", async () => {
    const { vfs, copy } = await backedUp();
    loseFrom(vfs, 2);
    const base = batchesOf(vfs).at(-1)!.segment;
    assert.equal(vfs.links(segmentFile(0, base)), 2);
    const log = await open(vfs, { acceptDataLoss: true, segmentBytes: 4000 });
    assert.equal(log.recovery[0].verdict, "loss");
    await appendBatches(log, 0, 4);
    await log.close();
    assert.equal(batchesOf(vfs).at(-1)!.segment, base, "it went on in the same segment");
    assert.equal(vfs.links(segmentFile(0, base)), 1);
    assert.deepEqual(contentOf(vfs, COPY), copy);
  });

  it("where the log cuts a torn tail off a segment that is linked", async () => {
    const { vfs } = await backedUp();
    const log = await open(vfs);
    await appendBatches(log, 0, 1);
    const crashed = vfs.crash("process");
    const last = batchesOf(crashed).at(-1)!.segment;
    const torn = segmentFile(0, last);
    damage(crashed, torn, (bytes) => new Uint8Array([...bytes, 1, 2, 3]));
    // No backup links the last segment, but somebody may.
    await crashed.link(torn, `${COPY}/linked`);
    const copy = contentOf(crashed, COPY);
    const again = await open(crashed);
    assert.equal(again.recovery[0].cutBytes, 3);
    await again.close();
    assert.deepEqual(contentOf(crashed, COPY), copy);
  });

  it("where the log is repaired", async () => {
    const { vfs, copy } = await backedUp();
    const [first] = batchesOf(vfs);
    flip(vfs, segmentFile(0, 0), first.position + 70);
    // The damage is in the backup as well: it is the same file. What a repair does is not.
    const damaged = contentOf(vfs, COPY);
    assert.notDeepEqual(damaged, copy);
    const { findings } = await repair(vfs);
    assert.ok(findings.length > 0);
    assert.deepEqual(contentOf(vfs, COPY), damaged);
  });

  it("and so does the log, whatever is done to the backup", async () => {
    const { vfs } = await backedUp();
    const before = contentOf(vfs, DIRECTORY);
    for (const path of vfs.paths().filter((path) => path.startsWith("data/copy/log-0/"))) {
      const base = Number(/(\d{20})\./.exec(path)?.[1] ?? -1);
      if (base > 20) vfs.removeWhole(path);
    }
    const copy = await openWith(engineOn(vfs), COPY, { acceptDataLoss: true, segmentBytes: 4000 });
    assert.equal(copy.recovery[0].verdict, "loss");
    await appendBatches(copy, 0, 4);
    await copy.close();
    assert.deepEqual(contentOf(vfs, DIRECTORY), before);
  });
});
