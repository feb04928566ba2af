/**
 * Fails every single file operation of every scenario, with every kind of fault: success or a typed error, nothing
 * acknowledged lost, no failed sync tried again, and the log goes on afterwards.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, it } from "node:test";
import {
  type Fault,
  type MemoryVfs,
  memoryVfs,
  type OperationEvent,
  type OperationKind,
} from "../../adapters/memory.ts";
import { LogError } from "../../src/errors.ts";
import { isNode } from "../fixtures/share.ts";
import { isFull, openOn } from "./engine.ts";
import { type Promises, type Scenario, scenarios, SETTINGS } from "./scenarios.ts";

const FAULTS: readonly Fault[] = [
  { kind: "errorBefore" },
  { kind: "errorAfter" },
  { kind: "errorBefore", code: "NO_SPACE" },
  { kind: "errorBefore", code: "TOO_MANY_FILES" },
  { kind: "errorBefore", code: "PERMISSION" },
  { kind: "shortWrite", bytes: 0 },
  { kind: "shortWrite", bytes: 1, code: "NO_SPACE" },
  { kind: "shortWrite", bytes: "half" },
  { kind: "shortWrite", bytes: "allButOne" },
  { kind: "lostSync" },
];
/** What a case came to: how the scenario ended, and how often it ended so. */
const outcomes = new Map<string, number>();
const unhandled: unknown[] = [];
process.on("unhandledRejection", (reason) => unhandled.push(reason));

/** Records what happens to each file and fails where a sync that failed is tried again. */
class SyncWatch {
  readonly #failed = new Set<string>();
  readonly retried: string[] = [];
  constructor(vfs: MemoryVfs) {
    vfs.onOperation((event) => this.#see(event));
  }
  #see({ kind, path, error }: OperationEvent): void {
    if (kind !== "sync") return;
    if (this.#failed.has(path)) this.retried.push(path);
    if (error !== undefined) this.#failed.add(path);
  }
}

/** The kinds of a scenario's operations, in order, where nothing fails. */
async function operationsOf(scenario: Scenario): Promise<OperationKind[]> {
  const kinds: OperationKind[] = [];
  const vfs = scenario.start.boot();
  vfs.onOperation(({ kind }) => kinds.push(kind));
  await scenario.run(vfs, scenario.promises.copy());
  return kinds;
}

/** True where a fault means something to an operation of this kind. */
function fits(fault: Fault, kind: OperationKind): boolean {
  if (fault.kind === "shortWrite") return kind === "write";
  return fault.kind !== "lostSync" || kind === "sync" || kind === "syncDirectory";
}

/** Runs one case. */
async function runCase(scenario: Scenario, number: number, fault: Fault, async: boolean): Promise<void> {
  const vfs = scenario.start.boot({ async, seed: number });
  const watch = new SyncWatch(vfs);
  vfs.plan({ operation: number, fault });
  const promises = scenario.promises.copy();
  let ended = "success";
  try {
    await scenario.run(vfs, promises);
  } catch (error) {
    if (!(error instanceof LogError)) throw error;
    ended = error.code;
  }
  const { faults } = vfs.report;
  const struck = faults.errorBefore + faults.errorAfter + faults.shortWrite + faults.lostSync;
  assert.deepEqual(watch.retried, [], "a failed sync is tried again");
  assert.deepEqual(vfs.violations, []);
  if (struck > 0) {
    outcomes.set(ended, (outcomes.get(ended) ?? 0) + 1);
    await checkAll(vfs.crash(scenario.isDurable ? "power" : "process"), promises);
  } else {
    // With operations in flight beside each other another one may have had the number.
    assert.ok(async, "the fault did not strike");
    assert.equal(ended, "success");
  }
}

/** Reopens without faults, in the next life of the machine. */
async function checkAll(next: MemoryVfs, promises: Promises): Promise<void> {
  const log = await openOn(next, SETTINGS);
  let end = log.shard(0).earliest;
  const first = end;
  assert.ok(first >= promises.start, `the log starts at ${first}, it had started at ${promises.start}`);
  assert.ok(first <= promises.asked, `the log starts at ${first}, ${promises.asked} was asked for`);
  for await (const record of log.read({ shard: 0 })) {
    const text = record.text();
    assert.equal(record.offset, end++);
    const known = promises.acknowledged.get(record.offset);
    if (known !== undefined) assert.equal(text, known, `offset ${record.offset}`);
    else assert.ok(promises.offered.get(record.offset)?.includes(text!), `record ${record.offset} was never appended`);
  }
  for (const offset of promises.acknowledged.keys()) {
    assert.ok(offset < Math.max(first, end), `record ${offset} was acknowledged`);
  }
  const shard = log.shard(0);
  assert.equal(shard.state, "open");
  assert.equal(shard.tryAppend({ key: "k", value: "after" }), end);
  await log.close();
  const again = await openOn(next, { ...SETTINGS, readOnly: true });
  const last = await Array.fromAsync(again.read({ shard: 0, from: end }));
  assert.deepEqual(last.map((record) => record.text()), ["after"]);
  await again.close();
}

const all = await scenarios(() => memoryVfs({ seed: 5 }));

describe("every operation", () => {
  for (const scenario of all) {
    it(`${scenario.name}: any operation may fail in any way [faults 1, 3, 4, 7, 10, 11, 29c]`, async () => {
      let triples = 0;
      const kinds = await operationsOf(scenario);
      // Every operation fails; in every way only with `EXHAUSTIVE=full`.
      const step = isFull() ? 1 : isNode() ? 3 : 7;
      for (const [i, fault] of FAULTS.entries()) {
        for (let number = 1 + i % step; number <= kinds.length; number += step) {
          if (!fits(fault, kinds[number - 1])) continue;
          try {
            await runCase(scenario, number, fault, false);
            if (isFull()) await runCase(scenario, number, fault, true);
          } catch (error) {
            const what = `${kinds[number - 1]} (operation ${number}), ${JSON.stringify(fault)}`;
            throw new Error(`${what}: ${String(error)}`, { cause: error });
          }
          triples++;
        }
      }
      await new Promise((resolve) => setTimeout(resolve, 0));
      assert.deepEqual(unhandled, []);
      console.log(`${scenario.name}: ${kinds.length} operations, ${triples} triples`);
    });
  }

  it("ends with success or a typed error", () => {
    assert.ok((outcomes.get("success") ?? 0) > 0);
    assert.ok((outcomes.get("IO") ?? 0) > 0);
    console.log(Object.fromEntries(outcomes));
  });
});
