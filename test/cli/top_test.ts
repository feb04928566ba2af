/** `bimiplog top`: what it shows, where it draws, and how it ends. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import process from "node:process";
import { describe, it } from "node:test";
import type { Sample, ShardSample } from "../../src/cli/top_sample.ts";
import { compare, plainLine, screenLines } from "../../src/cli/top_view.ts";
import { bar, bytesText, countText } from "../../src/cli/units.ts";
import { COMMAND, linesOf, Program, run, runApart, temporaryLog } from "./program.ts";

const LOG = { directory: "data/chat", topic: "chat", writer: "process 7 (node 26)" };

function sample(atMs: number, ...shards: readonly Partial<ShardSample>[]): Sample {
  const filled = shards.map((shard, i) => ({
    shard: i,
    earliest: 0,
    written: 0,
    synced: 0,
    segments: 1,
    bytes: 0,
    ...shard,
  }));
  return { atMs, shards: filled };
}

describe("what top shows", () => {
  const before = sample(0, { written: 100, bytes: 1000 }, { written: 50, bytes: 500 });
  const now = sample(2000, { written: 4100, bytes: 201_000, synced: 4000 }, {
    written: 1050,
    bytes: 50_500,
    synced: 1050,
  });
  const view = compare(LOG, before, now);

  it("rates since the last look, by shard and together", () => {
    const rates = view.shards.map(({ messagesPerSecond, bytesPerSecond, unsynced }) => [
      messagesPerSecond,
      bytesPerSecond,
      unsynced,
    ]);
    assert.deepEqual(rates, [[2000, 100_000, 100], [500, 25_000, 0]]);
    assert.deepEqual([view.messagesPerSecond, view.bytesPerSecond, view.unsynced], [2500, 125_000, 100]);
    assert.equal(
      plainLine(view),
      "chat 2,500 messages/s 125.0 kB/s end 4100,1050 segments 2 size 251.5 kB unsynced 100",
    );
  });

  it("no negative rate where retention or another writer made a number smaller", () => {
    const { messagesPerSecond, bytesPerSecond } = compare(LOG, now, before);
    assert.deepEqual([messagesPerSecond, bytesPerSecond], [0, 0]);
  });

  it("a bar for each shard, and colors only where they are wanted", () => {
    const lines = screenLines(view, { columns: 100, rows: 24, hasColor: false });
    assert.match(lines[0], /^chat {2}data\/chat {2}process 7/);
    assert.match(lines[4], /^ {4}0 .*4,100.* █{20}$/);
    assert.match(lines[5], /^ {4}1 .*1,050.* █{5}$/);
    assert.ok(!lines.join("").includes("\x1b"));
    assert.ok(screenLines(view, { columns: 100, rows: 24, hasColor: true }).join("").includes("\x1b[32m"));
  });

  it("never more lines or columns than there are: of many shards the busiest", () => {
    const many = Array.from({ length: 100 }, (_, i) => ({ written: i }));
    const busy = compare(LOG, sample(0, ...many.map(() => ({}))), sample(1000, ...many));
    for (const [columns, rows] of [[80, 24], [20, 10], [200, 50]]) {
      const lines = screenLines(busy, { columns, rows, hasColor: false });
      assert.ok(lines.length < rows, `${lines.length}`);
      assert.ok(lines.every((line) => line.length <= columns));
      assert.ok(
        lines.some((line) => line.trimStart().startsWith("99 ")) &&
          !lines.some((line) => line.trimStart().startsWith("3 ")),
      );
    }
  });

  it("numbers that people can read", () => {
    assert.deepEqual([0, 999, 1000, 999_949, 999_950, 1.5e9, 2e20].map(bytesText), [
      "0 B",
      "999 B",
      "1.0 kB",
      "999.9 kB",
      "1.0 MB",
      "1.5 GB",
      "200000.0 PB",
    ]);
    assert.deepEqual([0, 999.6, 1234567].map(countText), ["0", "1,000", "1,234,567"]);
    assert.deepEqual([bar(0, 4), bar(0.5, 4), bar(1, 4), bar(2, 4), bar(0.53, 1)], ["", "██", "████", "████", "▌"]);
  });
});

describe("top", () => {
  it("prints a line every interval where there is no terminal, until it is interrupted", async () => {
    const directory = temporaryLog();
    const writer = new Program(["append", directory, "--shards", "2"]);
    const stop = writer.feed(() => "a\nb\nc\n", 20);
    while ((await run(["info", directory])).code !== 0) await new Promise((resolve) => setTimeout(resolve, 20));
    const top = new Program(["top", directory, "--interval", "0.2", "--json"]);
    const lines = (await top.lines(3)).map((line) => JSON.parse(line));
    const { code, stderr } = await top.kill("SIGINT");
    assert.deepEqual({ code, stderr }, { code: 130, stderr: "" });
    stop();
    await writer.end();
    assert.ok(lines.some(({ messagesPerSecond }) => messagesPerSecond > 0), JSON.stringify(lines));
    assert.match(lines[0].writer, new RegExp(`^process ${writer.pid} `));
    assert.ok(!JSON.stringify(lines).includes("\\u001b"));
  });

  it("--once looks twice and ends", async () => {
    const directory = temporaryLog();
    await run(["append", directory], "a\nb\n");
    const { code, stdout, stderr } = await run(["top", directory, "--once", "--interval", "0.1"]);
    assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
    assert.match(stdout, /^events 0 messages\/s 0 B\/s end 2 segments 1 size \d+ B unsynced 0\n$/);
    assert.equal(linesOf(stdout).length, 1);
    assert.equal((await run(["top", `${directory}-none`, "--once"])).code, 1);
  });

  const hasTerminal = spawnSync("script", ["--version"]).status === 0 && process.platform === "linux";
  it(
    "draws in place on a terminal and ends at q",
    { skip: hasTerminal ? false : "needs script of util-linux" },
    async () => {
      const directory = temporaryLog();
      await runApart(["append", directory], "a\nb\n");
      const command = [...COMMAND, "top", directory, "--interval", "0.1"].map((word) => `'${word}'`).join(" ");
      const terminal = new Program(["-qec", command, "/dev/null"], ["script"]);
      await terminal.until(() => terminal.stdout.split("q ends").length > 3);
      terminal.write("q");
      const { code, stdout } = await terminal.ended;
      assert.equal(code, 0, stdout);
      assert.ok(stdout.includes("\x1b[?25l") && stdout.includes("\x1b[?25h"), "the cursor is hidden, and comes back");
      assert.ok(stdout.includes("\x1b[6A"), stdout);
      assert.match(stdout, /no writer/);
    },
  );
});
