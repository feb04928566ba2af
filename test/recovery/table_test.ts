/** What opening makes of files in every state that a crash, or a bad disk, can leave. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { openLog, type OpenOptions } from "../../mod.ts";
import { fails, listing, namesIn, reopen, take, useDirectory } from "../helpers.ts";
import { batchesOf, logFiles, shardOf } from "./damage.ts";
import { type Row, rows } from "./rows.ts";
import { leftBehind, putInto, RebootedVfs } from "./states.ts";

async function checkRow(directory: string, row: Row): Promise<void> {
  const state = await leftBehind(row.how);
  putInto(directory, state);
  const segments = logFiles(directory);
  const batches = segments.flatMap(batchesOf);
  const [active, last] = [segments.at(-1)!, batches.at(-1)!];
  const shard = shardOf(directory);
  const expected = row.damage({ directory, shard, segments, batches, active, last, anchors: state.anchors });
  const options: OpenOptions = row.rebooted ? { vfs: new RebootedVfs() } : {};
  const before = listing(shard);
  if (expected.refused !== undefined) {
    await fails(expected.refused, () => openLog(directory, options));
    assert.deepEqual(listing(shard), before, "a refused opening changes nothing");
    options.acceptDataLoss = true;
  }
  const { records = 100, cutBytes = 0, gaps = [], kept } = expected;
  const readable = Array.from({ length: records }, (_, i) => i).filter((i) =>
    !gaps.some(([from, to]) => i >= from && i <= to)
  );
  const read = async (log: Awaited<ReturnType<typeof openLog>>): Promise<[number[], [number, number][]]> => {
    const passed: [number, number][] = [];
    const offsets: number[] = [];
    for await (const record of log.read({ onCorrupt: "skip", onGap: ({ from, to }) => void passed.push([from, to]) })) {
      if (record.offset < records) assert.ok(record.text()!.startsWith(`${record.offset} `));
      offsets.push(record.offset);
    }
    return [offsets, passed];
  };

  await reopen(directory, options, async (log) => {
    const [report] = log.recovery;
    assert.equal(report.verdict, expected.verdict);
    assert.equal(report.cutBytes, cutBytes);
    if (kept === undefined) assert.equal(report.keptAside, undefined);
    else assert.deepEqual(new Uint8Array(readFileSync(report.keptAside!)), kept);
    assert.deepEqual(await read(log), [readable, gaps]);
    if (expected.verdict === "corrupt") {
      assert.equal(log.shard(0).state, "readOnly");
      await fails("READ_ONLY", () => log.append({ value: "x" }));
      await fails("READ_ONLY", () => log.shard(0).tryAppend({ value: "x" }));
    } else {
      assert.equal(log.shard(0).nextOffset, records);
      assert.equal(take(log.shard(0), { value: "after the opening" }), records);
      await log.flush("disk");
      assert.deepEqual(await read(log), [[...readable, records], gaps]);
    }
  });
  if (expected.verdict === "corrupt") {
    assert.deepEqual(listing(shard), before, "nothing is cut from a damaged shard");
    return;
  }
  const after = listing(shard);
  for (const name of expected.untouched ?? []) assert.equal(after[name], before[name], name);
  const aside = namesIn(shard).filter((name) => name.startsWith("quarantine-"));
  await reopen(directory, row.rebooted ? { vfs: new RebootedVfs() } : {}, async (log) => {
    assert.equal(log.recovery[0].verdict, "clean", "the next opening finds nothing wrong");
    assert.deepEqual(await read(log), [[...readable, records], gaps]);
  });
  assert.deepEqual(namesIn(shard).filter((name) => name.startsWith("quarantine-")), aside);
}

for (const how of ["closed", "killed"] as const) {
  for (const rebooted of [false, true]) {
    describe(`opening a log that was ${how}${rebooted ? ", after a reboot," : ""} with`, () => {
      for (const row of rows.filter((row) => row.how === how && row.rebooted === rebooted)) {
        it(row.what, () => useDirectory((directory) => checkRow(directory, row)));
      }
    });
  }
}
