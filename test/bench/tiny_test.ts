import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import os from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { figures } from "../../bench/figures/all.ts";
import { describeMachine } from "../../bench/machine.ts";
import { type Outcome, runPairs, spreadOf } from "../../bench/pairs.ts";
import { htmlPage, markdownTables } from "../../bench/report.ts";

describe("benchmarks", () => {
  const outcomes: Outcome[] = [];

  for (const figure of figures) {
    it(`run small: ${figure.name}`, async () => {
      const directory = mkdtempSync(join(os.tmpdir(), "bimiplog-bench-"));
      try {
        const outcome = await runPairs(figure, { directory, messages: 3000 }, 2, "this runtime");
        assert.equal(outcome.pairs.length, 2);
        for (const { ours, floor } of outcome.pairs) assert.ok(ours > 0 && floor > 0, `${ours} and ${floor} seconds`);
        assert.deepEqual(readdirSync(directory), [], "a figure leaves nothing behind");
        outcomes.push(outcome);
      } finally {
        rmSync(directory, { recursive: true, force: true });
      }
    });
  }

  it("are reported with every figure in it", () => {
    const report = { machine: describeMachine(os.tmpdir()), pairs: 2, figures, outcomes };
    for (const text of [markdownTables(report), htmlPage(report)]) {
      for (const figure of figures) assert.ok(text.includes(figure.title), figure.name);
      assert.equal(text.split("this runtime").length - 1, figures.length);
    }
  });

  it("quote the middle of their numbers", () => {
    assert.deepEqual(spreadOf([3, 1, 2]), { low: 1, median: 2, high: 3 });
    assert.deepEqual(spreadOf([4, 1, 2, 3]), { low: 1, median: 2.5, high: 4 });
  });
});
