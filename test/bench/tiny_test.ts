import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import os from "node:os";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { figures } from "../../bench/figures/all.ts";
import { describeMachine } from "../../bench/machine.ts";
import { type Outcome, quantile, runFigure, spreadOf } from "../../bench/pairs.ts";
import { consoleLines, htmlPage, markdownTables } from "../../bench/report.ts";

// Node translates TypeScript at every start of a child process; with a cache it is up in a quarter of the time.
process.env.NODE_COMPILE_CACHE ??= fileURLToPath(new URL("../../node_modules/.cache/bench", import.meta.url));

describe("benchmarks", () => {
  const outcomes: Outcome[] = [];

  for (const figure of figures) {
    it(`run small: ${figure.name}`, { timeout: 60_000 }, async () => {
      const directory = mkdtempSync(join(os.tmpdir(), "bimiplog-bench-"));
      try {
        const messages = figure.tinyMessages ?? 3000;
        const outcome = await runFigure(figure, { directory, messages }, { count: 1, warmUps: 0 }, "this runtime");
        const { comparison, values } = outcome;
        assert.equal(comparison !== undefined, "prepare" in figure);
        if (comparison !== undefined) {
          assert.equal(comparison.pairs.length, 1);
          for (const { ours, floor } of comparison.pairs) {
            assert.ok(ours > 0 && floor > 0, `${ours} and ${floor} seconds`);
          }
        }
        assert.deepEqual(values.map(({ name }) => name), (figure.values ?? []).map(({ name }) => name));
        for (const { name, spread } of values) assert.ok(Number.isFinite(spread.median), `${name}: ${spread.median}`);
        assert.deepEqual(readdirSync(directory), [], "a figure leaves nothing behind");
        outcomes.push(outcome);
      } finally {
        rmSync(directory, { recursive: true, force: true });
      }
    });
  }

  it("are reported with every figure and every value in it", () => {
    const report = { machine: describeMachine(os.tmpdir()), pairs: 1, figures, outcomes };
    for (const text of [markdownTables(report), htmlPage(report)]) {
      const sections = text.split(/\*\*(?=.*\*\*, )|<section>/);
      assert.equal(sections.length - 1, figures.length);
      for (const [i, figure] of figures.entries()) {
        assert.ok(sections[i + 1].includes(figure.title), figure.name);
        assert.ok(sections[i + 1].includes("this runtime"), figure.name);
        for (const { name } of figure.values ?? []) {
          assert.ok(sections[i + 1].includes(name), `${figure.name}: ${name}`);
        }
      }
      assert.equal(/.{0,40}(NaN|undefined|\bInfinity).{0,40}/.exec(text)?.[0], undefined, "every number is one");
    }
    for (const [i, figure] of figures.entries()) {
      const lines = consoleLines(figure, outcomes[i]);
      assert.equal(lines.length, ("prepare" in figure ? 1 : 0) + (figure.values ?? []).length, figure.name);
    }
  });

  it("quote the middle of their numbers", () => {
    assert.deepEqual(spreadOf([3, 1, 2]), { low: 1, median: 2, high: 3 });
    assert.deepEqual(spreadOf([4, 1, 2, 3]), { low: 1, median: 2.5, high: 4 });
    assert.equal(quantile([4, 1, 3, 2], 0.5), 3);
    assert.equal(quantile([4, 1, 3, 2], 0.99), 4);
  });
});
