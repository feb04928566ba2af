/** `bimiplog info`: what a log is, and how it was left. */
import assert from "node:assert/strict";
import { appendFileSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { describe, it } from "node:test";
import { openLog } from "../../mod.ts";
import { linesOf, Program, run, temporaryLog } from "./program.ts";

const LOG_FILE = `events-0/${"0".repeat(20)}.log`;

async function lastLine(directory: string): Promise<{ code: number | null; sentence: string }> {
  const { code, stdout } = await run(["info", directory]);
  return { code, sentence: linesOf(stdout).at(-1)! };
}

/** Leaves a log behind as a crash does, with `count` records, and answers the process that wrote it. */
async function crash(directory: string, count: number): Promise<number> {
  const program = new Program(["append", directory, "--acks"]);
  program.write(Array.from({ length: count }, (_, i) => `v${i}\n`).join(""));
  await program.lines(count);
  await program.kill("SIGKILL");
  return program.pid;
}

describe("info", () => {
  it("tells topic, shards, and of each shard its offsets, segments and bytes", async () => {
    const directory = temporaryLog();
    const log = await openLog(directory, { topic: "chat", shards: 2, segmentBytes: 1024 });
    for (let i = 0; i < 5; i++) {
      log.shard(1).tryAppend({ value: new Uint8Array(600) });
      await log.shard(1).flush();
    }
    await log.close();
    const { code, stdout, stderr } = await run(["info", directory]);
    assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
    const lines = linesOf(stdout).map((line) => line.trim().split(/\s+/));
    assert.deepEqual(lines.slice(0, 2), [["topic", "chat"], ["shards", "2"]]);
    const at = lines.findIndex(([first]) => first === "shard");
    assert.deepEqual(lines.slice(at, at + 3).map((cells) => cells.slice(0, 6)), [
      ["shard", "earliest", "next", "written", "synced", "segments"],
      ["0", "0", "0", "0", "0", "0"],
      ["1", "0", "5", "5", "5", "5"],
    ]);
    const { shards, ...rest } = JSON.parse((await run(["info", directory, "--json"])).stdout);
    assert.deepEqual({ topic: rest.topic, directory: rest.directory }, { topic: "chat", directory });
    const { earliest, next, written, synced, segments, bytes } = shards[1];
    assert.deepEqual({ earliest, next, written, synced, segments }, {
      earliest: 0,
      next: 5,
      written: 5,
      synced: 5,
      segments: 5,
    });
    assert.ok(bytes > 3000 && lines[at + 2][6] === String(bytes));
  });

  it("tells a log that was never written to, and one that was closed", async () => {
    const directory = temporaryLog();
    await run(["append", directory], "");
    assert.deepEqual(await lastLine(directory), { code: 0, sentence: "Nothing was written to this log yet." });
    await run(["append", directory], "a\n");
    assert.deepEqual(await lastLine(directory), { code: 0, sentence: "This log was closed cleanly." });
  });

  it("tells who is writing, and who did not close", async () => {
    const directory = temporaryLog();
    const program = new Program(["append", directory, "--acks"]);
    program.write("a\n");
    await program.lines(1);
    const during = await lastLine(directory);
    assert.equal(during.code, 0);
    assert.match(during.sentence, new RegExp(`being written now by process ${program.pid} \\(`));
    await program.kill("SIGKILL");
    const after = await lastLine(directory);
    assert.equal(after.code, 0);
    assert.match(after.sentence, new RegExp(`not closed: process ${program.pid} \\(.*next opening will check`));
    appendFileSync(`${directory}/${LOG_FILE}`, "torn");
    assert.match((await lastLine(directory)).sentence, /next opening will cut off 4 bytes/);
  });

  it("tells damage and lost records, and exits with 3", async () => {
    const directory = temporaryLog();
    await crash(directory, 3);
    const bytes = readFileSync(`${directory}/${LOG_FILE}`);
    // Where the run of the machine is not known, only what was synced is promised; a clean end promises everything.
    assert.equal((await run(["append", directory], "v3\n")).code, 0);
    const closed = readFileSync(`${directory}/${LOG_FILE}`);
    truncateSync(`${directory}/${LOG_FILE}`, bytes.length);
    const loss = await lastLine(directory);
    assert.equal(loss.code, 3);
    assert.match(loss.sentence, /lacks records of shard 0.*bimiplog verify/);
    writeFileSync(`${directory}/${LOG_FILE}`, closed);
    closed[closed.length - 2] ^= 1;
    writeFileSync(`${directory}/${LOG_FILE}`, closed);
    const damaged = await lastLine(directory);
    assert.equal(damaged.code, 3);
    assert.match(damaged.sentence, /damaged in shard 0.*bimiplog verify/);
  });
});
