/** `bimiplog dump`: one line for each batch, row and slot. */
import assert from "node:assert/strict";
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { describe, it } from "node:test";
import { BatchBuilder, openLog } from "../../mod.ts";
import { linesOf, run, temporaryLog } from "./program.ts";

const SEGMENT = `events-0/${"0".repeat(20)}`;

/** Three batches of two records in the first segment, one batch in the second. */
async function writeLog(directory: string): Promise<void> {
  const log = await openLog(directory, { segmentBytes: 1024 });
  for (let batch = 0; batch < 4; batch++) {
    for (let i = 0; i < 2; i++) log.shard(0).tryAppend({ value: new Uint8Array(120), timestamp: 1000 * batch });
    await log.flush();
  }
  await log.close();
}

async function dump(path: string, code: number = 0): Promise<Record<string, unknown>[]> {
  const ending = await run(["dump", path, "--json"]);
  assert.equal(ending.code, code, ending.stderr);
  const objects = linesOf(ending.stdout).map((line) => JSON.parse(line));
  // The form for people has the same lines.
  assert.equal(linesOf((await run(["dump", path])).stdout).length, objects.length);
  return objects;
}

function pick(objects: Record<string, unknown>[], ...names: string[]): unknown[][] {
  return objects.map((object) => names.map((name) => object[name]));
}

describe("dump", () => {
  it("shows what producers had written in front of a segment", async () => {
    const directory = temporaryLog();
    const log = await openLog(directory, { segmentBytes: 1024 });
    const builder = new BatchBuilder({ producer: { id: 7, epoch: 2, sequence: 10 } });
    for (let batch = 0; batch < 4; batch++) {
      for (let i = 0; i < 2; i++) builder.add({ value: new Uint8Array(120), timestamp: 1000 * batch });
      log.shard(0).tryAppendBatch(builder.finish());
      await log.flush();
    }
    await log.close();
    const snapshot = `${directory}/events-0/00000000000000000006.snapshot`;
    const [first, ...producers] = await dump(snapshot);
    assert.deepEqual([first.kind, first.entries, first.shard, first.baseOffset], ["snapshot", 3, 0, 6]);
    assert.deepEqual(
      pick(producers, "producerId", "producerEpoch", "firstSequence", "lastSequence", "baseOffset", "lastOffset"),
      [0, 1, 2].map((n) => [7, 2, 10 + 2 * n, 11 + 2 * n, 2 * n, 2 * n + 1]),
    );
    writeFileSync(snapshot, readFileSync(snapshot).map((byte, i) => i === 30 ? byte ^ 1 : byte));
    assert.match(String((await dump(snapshot, 3))[0].invalid), /checksum/);
  });

  it("shows how far a consumer has come, and which copy of that is damaged", async () => {
    const directory = temporaryLog();
    const log = await openLog(directory, { shards: 2 });
    for (const shard of log.shards) for (let i = 0; i < 3; i++) shard.tryAppend({ value: "m" });
    await log.flush();
    const consumer = log.consumer("Mailer", { follow: false });
    for await (const _ of consumer);
    await consumer.commit();
    await consumer.close();
    await log.close();
    const path = `${directory}/${readdirSync(directory).find((name) => /^cursor-mailer-[0-9a-f]{8}$/.test(name))}`;
    const blocks = await dump(path);
    assert.deepEqual(pick(blocks, "consumer", "shards", "firstShard", "nextOffsets"), [["Mailer", 2, 0, [3, 3]]]);
    writeFileSync(
      path,
      readFileSync(path).map((byte, at) => at === blocks[0].position as number + 40 ? byte ^ 1 : byte),
    );
    const [fault, older] = await dump(path, 3);
    assert.equal(fault.position, blocks[0].position);
    assert.match(String(fault.invalid), /checksum/);
    assert.equal(older.generation, blocks[0].generation as number - 1);
  });

  it("shows which users were trimmed", async () => {
    const directory = temporaryLog();
    const log = await openLog(directory);
    for (const key of ["ann", "bob", "çelik"]) await log.append({ key, value: "m" });
    await log.trimUser("bob", 2);
    await log.trimUser("çelik", 3);
    await log.close();
    const path = `${directory}/events-0/trims`;
    const [head, ...users] = await dump(path);
    assert.deepEqual([head.kind, head.shard, head.users], ["trims", 0, 2]);
    assert.deepEqual(pick(users, "user", "before"), [["bob", 2], ["çelik", 3]]);
    writeFileSync(path, readFileSync(path).map((byte, at) => at === 50 ? byte ^ 1 : byte));
    assert.match(String((await dump(path, 3))[0].invalid), /checksum/);
  });

  it("shows the batches of a .log", async () => {
    const directory = temporaryLog();
    await writeLog(directory);
    const batches = await dump(`${directory}/${SEGMENT}.log`);
    const size = batches[0].bytes as number;
    assert.deepEqual(
      pick(batches, "position", "kind", "baseOffset", "lastOffset", "count", "bytes", "epoch", "codec"),
      [
        [0, "batch", 0, 1, 2, size, 1, "none"],
        [size, "batch", 2, 3, 2, size, 1, "none"],
        [2 * size, "batch", 4, 5, 2, size, 1, "none"],
      ],
    );
    assert.equal(batches[2].maxTimestamp, "1970-01-01T00:00:02.000Z");
    assert.equal(3 * size, readFileSync(`${directory}/${SEGMENT}.log`).length);
  });

  it("marks damage, goes on behind it, and exits with 3", async () => {
    const directory = temporaryLog();
    await writeLog(directory);
    const path = `${directory}/${SEGMENT}.log`;
    const bytes = readFileSync(path);
    const size = bytes.length / 3;
    bytes[size + 100] ^= 1;
    writeFileSync(path, bytes);
    const batches = await dump(path, 3);
    assert.deepEqual(pick(batches, "position", "bytes", "baseOffset"), [[0, size, 0], [size, size, undefined], [
      2 * size,
      size,
      4,
    ]]);
    assert.match(String(batches[1].invalid), /checksum/);
    assert.match((await run(["dump", path])).stdout, new RegExp(`^${size}  batch  INVALID: .*checksum`, "m"));
    writeFileSync(path, bytes.subarray(0, 50));
    assert.match(String((await dump(path, 3))[0].invalid), /only 50 bytes/);
  });

  it("shows the rows of an .idx up to the first that is damaged", async () => {
    const directory = temporaryLog();
    await writeLog(directory);
    const path = `${directory}/${SEGMENT}.idx`;
    const rows = await dump(path);
    assert.deepEqual(pick(rows, "position", "kind", "baseOffset", "lastOffset"), [
      [0, "header", 0, undefined],
      [64, "batch", 0, 1],
      [128, "batch", 2, 3],
      [192, "batch", 4, 5],
      [256, "seal", undefined, undefined],
    ]);
    assert.equal(rows[4].nextOffset, 6);
    const bytes = readFileSync(path);
    bytes[130] ^= 4;
    writeFileSync(path, bytes);
    const damaged = await dump(path, 3);
    assert.deepEqual(pick(damaged, "position", "kind"), [[0, "header"], [64, "batch"], [128, "row"]]);
    assert.match(String(damaged[2].invalid), /checksum/);
  });

  it("shows the runs and buckets of a table of users", async () => {
    const directory = temporaryLog();
    const log = await openLog(directory, { indexLagBytes: 4096, userStride: 16 });
    for (let i = 0; i < 2000; i++) log.shard(0).tryAppend({ key: i % 2 === 0 ? "busy" : `user ${i}`, value: "text" });
    await log.flush();
    await log.close();
    const shard = `${directory}/events-0`;
    const name = readdirSync(shard).find((name) => name.startsWith(`users-${"0".repeat(20)}-`))!;
    const [table, ...rows] = await dump(`${shard}/${name}`);
    const next = Number(/-(\d+)\.idx$/.exec(name)![1]);
    assert.deepEqual([table.kind, table.shard, table.first, table.next], ["table", 0, 0, next]);
    const runs = rows.filter((row) => row.kind === "run");
    assert.equal(runs.reduce((sum, { postings }) => sum + Number(postings), 0), Math.ceil(next / 2));
    assert.deepEqual(runs.slice(0, 2).map(({ firstOffset, postings }) => [firstOffset, postings]), [[0, 16], [32, 16]]);
    const buckets = rows.filter((row) => row.kind === "bucket");
    assert.equal(buckets.length, table.buckets);
    assert.equal(buckets.reduce((sum, { postings }) => sum + Number(postings), 0), next);
    assert.equal(buckets.reduce((sum, { users }) => sum + Number(users), 0), Math.floor(next / 2) + 1);
    assert.ok([...runs, ...buckets].every(({ invalid }) => invalid === undefined));
    const bytes = readFileSync(`${shard}/${name}`);
    const damage = async (at: number): Promise<Record<string, unknown>[]> => {
      writeFileSync(`${directory}-table.idx`, bytes.map((byte, i) => i === at ? byte ^ 4 : byte));
      return await dump(`${directory}-table.idx`, 3);
    };
    assert.match(String((await damage(44))[0].invalid), /header/);
    assert.match(String((await damage(64)).find(({ kind }) => kind === "bucket")!.invalid), /slot/);
    assert.match(String((await damage(Number(buckets[0].position) + 50)).at(-1)!.invalid), /checksum/);
    writeFileSync(`${directory}-table.idx`, bytes.subarray(0, Number(buckets.at(-1)!.position)));
    assert.match(String((await dump(`${directory}-table.idx`, 3)).at(-1)!.invalid), /1 buckets are missing/);
  });

  it("shows both slots of anchor and state, also under another name", async () => {
    const directory = temporaryLog();
    await writeLog(directory);
    for (const kind of ["anchor", "state"]) {
      const path = `${directory}/events-0/${kind}`;
      const copy = `${directory}/copy-of-${kind}`;
      copyFileSync(path, copy);
      const slots = await dump(copy);
      assert.deepEqual(slots, await dump(path));
      assert.deepEqual(pick(slots, "position", "kind", "shard", "epoch"), [[0, kind, 0, 1], [4096, kind, 0, 1]]);
      const newest = slots.find((slot) => slot.newest)!;
      const end = (kind === "anchor" ? newest.synced : newest.clean) as Record<string, unknown>;
      assert.deepEqual([end.segment, end.nextOffset], [6, 8]);
      const bytes = readFileSync(path);
      bytes[4096 + 77] ^= 1;
      writeFileSync(path, bytes);
      assert.match(String((await dump(path, 3))[1].invalid), /checksum/);
    }
  });

  it("shows a manifest", async () => {
    const directory = temporaryLog();
    await writeLog(directory);
    const [manifest] = await dump(`${directory}/bimip.json`);
    assert.deepEqual([manifest.topic, manifest.shards, manifest.format, manifest.invalid], ["events", 1, 1, undefined]);
    writeFileSync(
      `${directory}/bimip.json`,
      readFileSync(`${directory}/bimip.json`, "utf8").replace('"shards": 1', '"shards": 2'),
    );
    assert.match(String((await dump(`${directory}/bimip.json`, 3))[0].invalid), /checksum/);
  });

  it("shows nothing of an empty .log, and refuses a file it does not know", async () => {
    const directory = temporaryLog();
    writeFileSync(`${directory}.log`, "");
    assert.deepEqual(await dump(`${directory}.log`), []);
    writeFileSync(`${directory}.txt`, "some text that is not a part of any log, and long enough");
    const { code, stderr } = await run(["dump", `${directory}.txt`]);
    assert.equal(code, 1);
    assert.match(stderr, /^bimiplog: Cannot dump [^\n]*not a file of a log[^\n]*\n$/);
    const missing = await run(["dump", `${directory}.missing`]);
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /^bimiplog: Cannot open [^\n]*no such file[^\n]*\n$/);
  });
});
