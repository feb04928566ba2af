/** `bimiplog trim`: says what would go, and drops it only with --yes. */
import assert from "node:assert/strict";
import { existsSync, utimesSync } from "node:fs";
import { describe, it } from "node:test";
import { openLog } from "../../mod.ts";
import { collect, namesIn } from "../helpers.ts";
import { run, temporaryLog } from "./program.ts";

async function writeLog(directory: string): Promise<number[]> {
  const log = await openLog(directory, { topic: "events", segmentBytes: 1024, flushIntervalMs: Infinity });
  for (let i = 0; i < 20; i++) {
    log.shard(0).tryAppend({ key: i % 2 === 0 ? "alice" : "bob", value: "x".repeat(150) });
    await log.flush();
  }
  await log.close();
  return namesIn(`${directory}/events-0`, ".log").map((name) => parseInt(name));
}

async function starts(directory: string): Promise<[number, number]> {
  const log = await openLog(directory, { readOnly: true });
  const user = await collect(log.user("alice").read());
  await log.close();
  return [log.shard(0).earliest, user[0]?.offset];
}

describe("trim", () => {
  it("drops before an offset, of a user, and beyond a limit, with --yes only", async () => {
    const directory = temporaryLog();
    const bases = await writeLog(directory);
    const before = `${bases[2] + 1}`;
    const dry = await run(["trim", directory, "--shard", "0", "--before", before]);
    assert.equal(dry.code, 0);
    assert.match(dry.stdout, new RegExp(`would drop the records of shard 0 below offset ${before}: 2 segments`));
    assert.match(dry.stdout, /add --yes/);
    assert.deepEqual(await starts(directory), [0, 0]);
    const done = await run(["trim", directory, "--shard", "0", "--before", before, "--yes", "--json"]);
    const { bytes, ...rest } = JSON.parse(done.stdout);
    assert.deepEqual(rest, { shard: 0, before: Number(before), segments: 2, applied: true });
    assert.ok(bytes > 1000);
    assert.equal((await starts(directory))[0], Number(before));
    assert.equal((await run(["trim", directory, "--user", "alice", "--before", "15", "--yes"])).code, 0);
    assert.deepEqual(await starts(directory), [Number(before), 16]);
    assert.equal((await run(["trim", directory, "--max-records", "6", "--yes"])).code, 0);
    assert.ok((await starts(directory))[0] > Number(before));
    assert.match((await run(["trim", directory, "--max-records", "6"])).stdout, /nothing to drop/);
  });

  it("drops what is too old", async () => {
    const directory = temporaryLog();
    const bases = await writeLog(directory);
    assert.match((await run(["trim", directory, "--max-age", "1h", "--yes"])).stdout, /nothing to drop/);
    // Files that look older than their records: the older of the two times counts.
    const old = new Date(Date.now() - 3 * 3_600_000);
    for (const base of [bases[0], bases[1], bases[3]]) {
      utimesSync(`${directory}/events-0/${String(base).padStart(20, "0")}.log`, old, old);
    }
    const { stdout } = await run(["trim", directory, "--max-age", "2h", "--yes", "--json"]);
    const { before, segments } = JSON.parse(stdout);
    assert.deepEqual([before, segments], [bases[2], 2]);
    assert.equal((await starts(directory))[0], bases[2]);
    for (const bad of ["1", "0s", "5 m", "1w", ""]) {
      const { code, stderr } = await run(["trim", directory, "--max-age", bad]);
      assert.equal(code, 2, bad);
      assert.match(stderr, /--max-age/);
    }
  });

  it("says what is wrong with the words, and makes no log", async () => {
    const directory = temporaryLog();
    for (const words of [["--yes"], ["--before", "1"], ["--max-bytes", "5", "--before", "1", "--shard", "0"]]) {
      assert.equal((await run(["trim", directory, ...words])).code, 2);
    }
    assert.equal((await run(["trim", `${directory}/none`, "--max-bytes", "5", "--yes"])).code, 1);
    assert.equal(existsSync(`${directory}/none`), false);
  });
});
