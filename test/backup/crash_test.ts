/** The machine stops, or a call fails, at every operation of a backup: there is a whole backup or none, and the log is as it was. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type MemoryVfs, SimulatedCrash } from "../../adapters/memory.ts";
import { LogError } from "../../src/errors.ts";
import { openWith } from "../../src/log/open.ts";
import { damages, engineOn, makeLog, open, readShard } from "../recovery/repair_log.ts";

const COPY = "/data/copy";

async function backUp(vfs: MemoryVfs): Promise<void> {
  const log = await open(vfs, { readOnly: true });
  await log.backup(COPY);
  await log.close();
}

async function valuesIn(vfs: MemoryVfs, directory: string): Promise<(string | null)[]> {
  const log = await openWith(engineOn(vfs), directory, {});
  const values: (string | null)[] = [];
  try {
    assert.deepEqual(log.recovery.map(({ verdict }) => verdict), ["clean", "clean"]);
    for await (const record of log.read()) values.push(record.text());
  } finally {
    await log.close();
  }
  return values;
}

/** Whether there is a backup. It is whole then; and what is beside it is never taken for one. */
async function expectWholeOrNone(vfs: MemoryVfs, expected: readonly (string | null)[], what: string): Promise<boolean> {
  for (const shard of [0, 1]) {
    assert.equal((await readShard(vfs, shard, "stop")).values.size, expected.length / 2, what);
  }
  const isThere = vfs.paths().some((path) => path.startsWith("data/copy/"));
  if (isThere) assert.deepEqual(await valuesIn(vfs, COPY), expected, what);
  // The manifest comes last: with one, only the name is still wrong.
  const has = (name: string): boolean => vfs.paths().includes(`data/copy.tmp/${name}`);
  if (has("bimip.json")) assert.deepEqual(await valuesIn(vfs.snapshot().boot(), `${COPY}.tmp`), expected, what);
  else if (!has("bimip.copy.json")) {
    await assert.rejects(openWith(engineOn(vfs), `${COPY}.tmp`, { readOnly: true }), { code: "NOT_A_LOG" });
  }
  return isThere;
}

describe("a backup that is cut short", () => {
  for (const kind of ["process", "power"] as const) {
    it(`by the end of the ${kind === "power" ? "power" : "process"}, at any operation, is whole or not there, and can be made again`, async () => {
      const start = (await makeLog({ shards: 2, lives: [9] })).snapshot();
      const whole = start.boot();
      const expected = await valuesIn(start.boot(), "/data/log");
      await backUp(whole);
      const { operations } = whole;
      assert.ok(operations > 100, `${operations}`);
      let there = 0;
      for (let at = 1; at <= operations; at++) {
        const vfs = start.boot({ seed: at });
        vfs.crashAt(at);
        await assert.rejects(
          backUp(vfs),
          (error) => error instanceof SimulatedCrash || (error as Error).cause instanceof SimulatedCrash,
          `operation ${at}`,
        );
        const next = vfs.crash(kind);
        if (await expectWholeOrNone(next, expected, `operation ${at}`)) there++;
        else if (at % 3 === 0) {
          await backUp(next);
          assert.ok(await expectWholeOrNone(next, expected, `again after operation ${at}`));
        }
      }
      assert.ok(there > 0 && there < 20, `${there}`);
    });
  }

  it("by a call that fails, at any operation, rejects with a typed error or goes on, and the log is as it was", async () => {
    const start = (await makeLog({ shards: 2, lives: [9] })).snapshot();
    const expected = await valuesIn(start.boot(), "/data/log");
    const whole = start.boot();
    const reader = await open(whole, { readOnly: true });
    const first = whole.operations;
    await reader.backup(COPY);
    const operations = whole.operations - first;
    let done = 0;
    for (const code of ["IO", "NO_SPACE"] as const) {
      for (let nth = 1; nth <= operations; nth++) {
        const vfs = start.boot();
        const log = await open(vfs, { readOnly: true });
        vfs.plan({ operation: vfs.operations + nth, fault: { kind: "errorBefore", code } });
        let failure: unknown;
        await log.backup(COPY).catch((error: unknown) => failure = error);
        vfs.clearFaults();
        await log.close();
        if (failure === undefined) done++;
        else assert.ok(failure instanceof LogError, `operation ${nth}: ${String(failure)}`);
        const isThere = await expectWholeOrNone(vfs, expected, `operation ${nth}`);
        assert.ok(isThere || failure !== undefined, `operation ${nth}: resolved, and there is no backup`);
        if (nth % 10 === 0) assert.deepEqual(await damages(vfs), []);
      }
    }
    // Links that cannot be made are copied; nothing else may fail in silence.
    assert.ok(done > 0 && done < operations / 4, `${done} of ${operations}`);
  });
});
