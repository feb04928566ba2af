/**
 * Real processes: a reader on another runtime follows while a writer drops segments, and writers are killed with SIGKILL in the middle of
 * that. What was acknowledged holds: records, log starts, marks of users, and what producers have written. RETENTION_KILLS says how many.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, it } from "node:test";
import { openLog } from "../../mod.ts";
import { collect, namesIn, useDirectory } from "../helpers.ts";
import { type Child, CURRENT, RUNTIMES, start, whySkipped } from "../runtimes/children.ts";

const KILLS = Number(process.env.RETENTION_KILLS ?? 8);
const LIFE_MS = 120_000;
const TIME_LIMIT_MS = 60_000;

/** The last offset that a writer has said of something. */
function said(lines: readonly string[], what: string): number {
  return Number(lines.findLast((line) => line.startsWith(`${what} `))?.slice(what.length + 1) ?? 0);
}

/** Opens the log as the next writer does, and compares it with what was acknowledged. */
async function check(directory: string, trimmed: number, written: number, user: number): Promise<number> {
  const log = await openLog(directory);
  const [{ verdict }] = log.recovery;
  assert.ok(verdict === "clean" || verdict === "torn", verdict);
  const { earliest, nextOffset } = log.shard(0);
  assert.ok(earliest >= trimmed, `the log begins at ${earliest}, trimmed was ${trimmed}`);
  assert.ok(nextOffset >= written, `the log ends at ${nextOffset}, written was ${written}`);
  const records = await collect(log.read({ shard: 0 }));
  assert.equal(records.length, nextOffset - earliest);
  records.forEach((record, i) => {
    assert.equal(record.offset, earliest + i);
    assert.equal(record.text()!.trimEnd(), `${record.offset}`);
  });
  const first = (await collect(log.user("alice").read()))[0]?.offset ?? nextOffset;
  assert.ok(first >= user, `alice's stream begins at ${first}, trimmed was ${user}`);
  // Its number goes on, whatever segments its batches were in.
  const bobs = records.filter((record) => record.keyText() === "bob").length;
  const lines = await log.idempotentProducer("lines");
  assert.ok(lines.nextSequence >= bobs);
  if (bobs > 0) assert.equal(lines.lastOffset, records.findLast((record) => record.keyText() === "bob")!.offset);
  const bases = namesIn(`${directory}/log-0`, ".log").map((name) => parseInt(name));
  assert.ok(
    bases.length < 2 || (bases[0] <= earliest && bases[1] > earliest),
    `segments ${bases}, log start ${earliest}`,
  );
  await log.close();
  return lines.nextSequence;
}

describe("retention, in real processes", () => {
  it(`is killed up to ${KILLS} times: nothing acknowledged is undone, and a follower is right [fault 55]`, () =>
    useDirectory(async (directory) => {
      await (await openLog(directory, { topic: "log" })).close();
      const other = whySkipped() === false ? RUNTIMES[(RUNTIMES.indexOf(CURRENT) + 1) % RUNTIMES.length] : CURRENT;
      const reader: Child = start("../retention/dropping_reader.ts", { directory }, other, LIFE_MS);
      let [trimmed, written, user, sequence, kills] = [0, 0, 0, 0, 0];
      try {
        await reader.line("ready");
        const limit = performance.now() + TIME_LIMIT_MS;
        for (; kills < KILLS && performance.now() < limit; kills++) {
          const writer = start("../retention/dropping_writer.ts", { directory, records: 100_000 }, CURRENT, LIFE_MS);
          await writer.line("open");
          const wanted = 30 + Math.floor(Math.random() * 150);
          for (let turn = 0; turn < 400 && writer.lines.length < wanted; turn++) {
            await new Promise((resolve) => setTimeout(resolve, 2));
          }
          const { stderr } = await writer.kill();
          assert.equal(stderr, "");
          trimmed = Math.max(trimmed, said(writer.lines, "trimmed"));
          written = Math.max(written, said(writer.lines, "written"));
          user = Math.max(user, said(writer.lines, "user"));
          const before = sequence;
          sequence = await check(directory, trimmed, written, user);
          assert.ok(sequence >= before, `${before} records were there under the name, now ${sequence}`);
        }
        const last = start("../retention/dropping_writer.ts", { directory, records: 400 }, CURRENT, LIFE_MS);
        await last.line("closed");
        const end = said(last.lines, "written");
        reader.send(`${end}`);
        const seen = JSON.parse((await reader.line("seen ")).slice("seen ".length));
        assert.deepEqual(seen.wrong, []);
        assert.ok(seen.next >= end && seen.delivered > 0, JSON.stringify(seen));
        assert.ok(kills > 0 && trimmed > 0);
        console.log(
          `${kills} kills, ${end} records, log start ${trimmed}; the reader on ${other} got ${seen.delivered}, told ${seen.told} times`,
        );
      } finally {
        await reader.kill();
      }
    }));
});
