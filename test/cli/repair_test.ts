/** `bimiplog repair`: says what is wrong, changes nothing without being told to, and tells the truth with its exit code. */
import assert from "node:assert/strict";
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { describe, it } from "node:test";
import { openLog } from "../../mod.ts";
import { listing } from "../helpers.ts";
import { linesOf, run, temporaryLog } from "./program.ts";

const SEGMENT = `events-0/${"0".repeat(20)}.log`;

/** Two shards, two records a batch, and the values tell them apart. */
async function writeLog(directory: string): Promise<void> {
  const log = await openLog(directory, { shards: 2, topic: "events", segmentBytes: 1200 });
  for (const shard of log.shards) {
    for (let batch = 0; batch < 6; batch++) {
      for (let i = 0; i < 2; i++) {
        shard.tryAppend({ key: "k", value: `${shard.id}:${shard.nextOffset}`.padEnd(90, ".") });
      }
      await shard.flush();
    }
  }
  await log.close();
}

function flip(path: string, position: number): void {
  const bytes = readFileSync(path);
  bytes[position] ^= 1;
  writeFileSync(path, bytes);
}

/** Every file but the lock, which a repair takes either way. */
function files(directory: string): Record<string, string> {
  return Object.fromEntries(Object.entries(listing(directory)).filter(([path]) => !path.startsWith("lock")));
}

describe("repair", () => {
  it("finds nothing to do in a log that is fine", async () => {
    const directory = temporaryLog();
    await writeLog(directory);
    const before = files(directory);
    for (const words of [[], ["--yes"]]) {
      const { code, stdout, stderr } = await run(["repair", directory, ...words]);
      assert.deepEqual([code, stdout, stderr], [0, "nothing to repair\n", ""]);
    }
    const { stdout } = await run(["repair", directory, "--json"]);
    assert.deepEqual(JSON.parse(stdout), { summary: { shards: 2, found: 0, repaired: 0 } });
    assert.deepEqual(files(directory), before);
  });

  it("says what it would do, does it with --yes, and verifying and appending work again", async () => {
    const directory = temporaryLog();
    await writeLog(directory);
    flip(`${directory}/${SEGMENT}`, 100);
    const damaged = readFileSync(`${directory}/${SEGMENT}`);
    const before = files(directory);

    const dry = await run(["repair", `${directory}/`]);
    assert.equal(dry.code, 3);
    const [line, summary] = linesOf(dry.stdout);
    assert.match(
      line,
      /^WOULD REPAIR shard 0, .*\.log, position 0, offsets 0 to 1: the batch is damaged: the checksum is /,
    );
    assert.ok(line.includes(`${directory}/${SEGMENT}, `), line);
    assert.ok(line.endsWith(`the original bytes would go to ${directory}/events-0/quarantine-0-0-0`), line);
    assert.equal(summary, `1 thing wrong; nothing was changed: run bimiplog repair ${directory} --yes`);
    assert.deepEqual(files(directory), before);

    const json = await run(["repair", directory, "--json"]);
    assert.equal(json.code, 3);
    const [{ finding }, last] = linesOf(json.stdout).map((line) => JSON.parse(line));
    assert.deepEqual([finding.shard, finding.position, finding.range, finding.action], [0, 0, [0, 1], "void"]);
    assert.deepEqual(last, { summary: { shards: 2, found: 1, repaired: 0 } });

    const done = await run(["repair", directory, "--yes"]);
    assert.deepEqual([done.code, done.stderr], [0, ""]);
    assert.match(done.stdout, /^REPAIRED shard 0, .*; the original bytes are in .*\n1 thing repaired\n$/);
    assert.deepEqual(readFileSync(`${directory}/events-0/quarantine-0-0-0`), damaged);

    assert.equal((await run(["verify", directory])).code, 0);
    const read = await run(["read", directory, "--shard", "0"]);
    assert.equal(read.code, 0);
    assert.deepEqual(
      linesOf(read.stdout).map((value) => value.replace(/\.+$/, "")),
      Array.from({ length: 10 }, (_, i) => `0:${i + 2}`),
    );
    assert.equal((await run(["append", directory], "one\n")).code, 0);
    assert.equal((await run(["repair", directory])).stdout, "nothing to repair\n");
  });

  it("makes a log writable that append refuses", async () => {
    const directory = temporaryLog();
    await writeLog(directory);
    for (const shard of [0, 1]) rmSync(`${directory}/events-${shard}/state`);
    for (const name of ["bimip.json", "bimip.copy.json"]) rmSync(`${directory}/${name}`);
    const refused = await run(["append", directory], "one\n");
    assert.equal(refused.code, 3);
    assert.match(refused.stderr, /bimiplog repair/);
    const { code, stdout } = await run(["repair", directory, "--yes", "--json"]);
    assert.equal(code, 0);
    const lines = linesOf(stdout).map((line) => JSON.parse(line));
    assert.deepEqual(lines.at(-1), { summary: { shards: 2, found: 4, repaired: 4 } });
    assert.ok(existsSync(`${directory}/bimip.json`));
    assert.equal((await run(["append", directory], "one\n")).code, 0);
    assert.equal((await run(["verify", directory])).code, 0);
  });

  it("leaves alone what only a person can put right, and says so", async () => {
    const directory = temporaryLog();
    await writeLog(directory);
    rmSync(`${directory}/events-1`, { recursive: true });
    cpSync(`${directory}/events-0`, `${directory}/events-1`, { recursive: true });
    const before = files(directory);
    const { code, stdout } = await run(["repair", directory, "--yes"]);
    assert.equal(code, 3);
    const [line, summary] = linesOf(stdout);
    assert.match(line, /^CANNOT REPAIR shard 1, .*belongs to shard 0; .*only a person/);
    assert.equal(summary, "0 things repaired, 1 thing left");
    assert.deepEqual(files(directory), before);
  });

  it("exits with 4 while a writer has the log, 1 where there is none, and 2 where it is called wrongly", async () => {
    const directory = temporaryLog();
    await writeLog(directory);
    const log = await openLog(directory);
    const locked = await run(["repair", directory]);
    await log.close();
    assert.equal(locked.code, 4);
    assert.match(locked.stderr, /has it open/);
    const nothing = await run(["repair", `${directory}/nowhere`]);
    assert.deepEqual([nothing.code, nothing.stdout, existsSync(`${directory}/nowhere`)], [1, "", false]);
    assert.equal((await run(["repair", directory, "--force"])).code, 2);
    assert.equal((await run(["repair"])).code, 2);
  });
});
