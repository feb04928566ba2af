/** `bimiplog bench`, tiny: it measures, tells what, and leaves nothing behind. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import process from "node:process";
import { describe, it } from "node:test";
import { benchPage } from "../../src/cli/bench_page.ts";
import { summarise } from "../../src/cli/bench_result.ts";
import { linesOf, run, temporaryLog } from "./program.ts";

const CURRENT = process.versions.bun !== undefined ? "bun" : process.versions.deno !== undefined ? "deno" : "node";

describe("bench", () => {
  it("measures this runtime, writes a page, and removes its files", async () => {
    const directory = temporaryLog();
    mkdirSync(directory);
    const page = `${directory}.html`;
    const words = ["bench", directory, "--runtimes", CURRENT, "--seconds", "0.2", "--json", "--html", page];
    const { code, stdout, stderr } = await run(words);
    assert.equal(code, 0, stderr);
    const [result, ...others] = linesOf(stdout).map((line) => JSON.parse(line));
    assert.deepEqual(others, []);
    assert.match(result.runtime, new RegExp(`^${CURRENT} \\d+\\.`));
    for (const name of ["messagesPerSecond", "megabytesPerSecond", "floorMegabytesPerSecond", "ratioToFloor"]) {
      const { low, median, high } = result[name];
      assert.ok(0 < low && low <= median && median <= high, `${name}: ${JSON.stringify(result[name])}`);
    }
    // 100 bytes of value take a little more than 100 in the log.
    const perMessage = result.megabytesPerSecond.median * 1e6 / result.messagesPerSecond.median;
    assert.ok(perMessage > 100 && perMessage < 120, `${perMessage} bytes a message`);
    assert.deepEqual(readdirSync(directory), []);
    const html = readFileSync(page, "utf8");
    assert.match(html, /<svg [\s\S]*<rect [\s\S]*<\/svg>/);
    assert.ok(html.includes(result.runtime));
    assert.doesNotMatch(html, /(src|href)=|url\(|https?:/);
  });

  it("prints a table, and makes and removes a directory that was not there", async () => {
    const directory = `${temporaryLog()}/below`;
    const { code, stdout } = await run(["bench", directory, "--runtimes", CURRENT, "--seconds", "0.1"]);
    assert.equal(code, 0);
    const [heading, row] = linesOf(stdout);
    assert.match(heading, /runtime +messages\/s +MB\/s +floor MB\/s +of floor +spread +rounds/);
    assert.match(row, new RegExp(`${CURRENT} [\\d.]+ +\\d+ +[\\d.]+ +[\\d.]+ +[\\d.]+ % +[\\d.]+–[\\d.]+ % +\\d+`));
    assert.ok(!existsSync(directory.replace(/\/below$/, "")));
  });

  it("takes medians and extremes, without the round that warms up", () => {
    const round = (logSeconds: number, floorSeconds: number) => ({
      messages: 100,
      bytes: 11_000_000,
      logSeconds,
      floorSeconds,
    });
    const { rounds, messagesPerSecond, megabytesPerSecond, ratioToFloor } = summarise("node 1", [
      round(9, 9),
      round(1, 0.5),
      round(2, 1.5),
      round(4, 1),
    ]);
    assert.equal(rounds, 3);
    assert.deepEqual(messagesPerSecond, { low: 25, median: 50, high: 100 });
    assert.deepEqual(megabytesPerSecond, { low: 2.75, median: 5.5, high: 11 });
    assert.deepEqual(ratioToFloor, { low: 0.25, median: 0.5, high: 0.75 });
  });

  it("escapes what stands on its page", () => {
    const page = benchPage(
      [summarise("<node> & co", [{ messages: 1, bytes: 1, logSeconds: 1, floorSeconds: 1 }])],
      new Date(0),
    );
    assert.ok(page.includes("&#60;node&#62; &#38; co") && !page.includes("<node>"));
  });
});
