/** A backup is a log of its own with everything that was acknowledged, wherever the log is. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runtimeCodecs } from "../../adapters/codecs.ts";
import { runtimeVfs } from "../../adapters/runtime.ts";
import { systemClock } from "../../adapters/system.ts";
import { type Log, openLog } from "../../mod.ts";
import { verifyLog } from "../../src/verify/verify_log.ts";
import { collect, fails, plain, reopen, useDirectory } from "../helpers.ts";
import { tester, type UsePlace } from "./place.ts";

/** Registers the tests. */
export function sharedBackup(skip: string | false, use: UsePlace): void {
  const test = (title: string, shards: number, body: (log: Log, parent: string) => Promise<void>) =>
    tester(skip, use)(title, shards, (log) => useDirectory((parent) => body(log, parent)));

  test(
    "a backup has all that was acknowledged, is whole, and is written on as a log of its own",
    3,
    async (log, parent) => {
      const producer = await log.idempotentProducer("lines", { shard: 1 });
      for (let n = 0; n < 200; n++) {
        log.shard(n % 2).tryAppend({
          key: `k${n}`,
          value: `${n}`.padEnd(200),
          headers: { n: `${n}` },
          timestamp: 1e12 + n,
        });
        if (n % 40 === 0) await producer.append({ value: `line ${n}` });
      }
      await log.flush();
      await log.shard(0).trimBefore(30);
      const expected = (await collect(log.read())).map(plain);
      const told: number[][] = [];
      const out = join(parent, "copy");
      const report = await log.backup(`${out}/`, { onProgress: (copied, total) => void told.push([copied, total]) });
      assert.equal(report.directory, out);
      assert.deepEqual(
        report.shards.map(({ shard, earliest, nextOffset }) => [shard, earliest, nextOffset]),
        log.shards.map(({ id, earliest, nextOffset }) => [id, earliest, nextOffset]),
      );
      assert.deepEqual(report.shards.map(({ segments }) => segments), [1, 1, 0]);
      const sum = (of: (shard: typeof report.shards[number]) => number) =>
        report.shards.reduce((total, shard) => total + of(shard), 0);
      assert.equal(
        report.copiedBytes + report.linkedBytes >= sum((shard) => shard.copiedBytes + shard.linkedBytes),
        true,
      );
      assert.ok(report.copiedBytes > 20_000, `${report.copiedBytes} bytes`);
      assert.ok(told.length > 0 && told.at(-1)![0] <= told.at(-1)![1]);
      await log.append({ key: "later", value: "later" });

      const damages: unknown[] = [];
      const observer = { damage: (one: unknown) => damages.push(one), note() {}, progress() {} };
      await verifyLog({ vfs: runtimeVfs(), clock: systemClock, codecs: runtimeCodecs }, out, observer);
      assert.deepEqual(damages, []);
      await reopen(out, {}, async (copy) => {
        assert.equal(copy.topic, log.topic);
        assert.deepEqual((await collect(copy.read())).map(plain), expected);
        assert.equal((await copy.idempotentProducer("lines", { shard: 1 })).nextSequence, 5);
        await copy.append({ key: "more", value: "more" });
        assert.equal((await collect(copy.read())).length, expected.length + 1);
      });
    },
  );

  test(
    "a backup goes on while the log is written, and covers what was acknowledged before it",
    1,
    async (log, parent) => {
      let isOver = false;
      let appended = 0;
      const writing = (async () => {
        while (!isOver) appended = (await log.append({ value: `${appended}` })).offset + 1;
      })();
      await new Promise((resolve) => setTimeout(resolve, 200));
      const before = appended;
      const { shards: [{ nextOffset }] } = await log.backup(join(parent, "copy")).finally(async () => {
        isOver = true;
        await writing;
      });
      assert.ok(before > 0 && nextOffset >= before && nextOffset <= appended, `${before} ${nextOffset} ${appended}`);
      const values = await reopen(
        join(parent, "copy"),
        {},
        async (copy) => (await collect(copy.read())).map((r) => r.text()),
      );
      assert.deepEqual(
        values,
        Array.from({ length: nextOffset }, (_, n) => `${n}`),
      );
    },
  );

  test("a backup is refused where something else stands, and leaves it alone", 2, async (log, parent) => {
    await log.append({ key: "k", value: "v" });
    const [full, file, other] = ["full", "file", "log"].map((name) => join(parent, name));
    mkdirSync(full);
    writeFileSync(join(full, "mine"), "mine");
    writeFileSync(file, "mine");
    await (await openLog(other)).close();
    await fails("CONFLICT", () => log.backup(full));
    await fails("CONFLICT", () => log.backup(file));
    await fails("CONFLICT", () => log.backup(other));
    assert.deepEqual(readdirSync(full), ["mine"]);
    for (const out of ["", "a\0b", 5 as unknown as string]) await assert.rejects(log.backup(out), TypeError);
    const reason = new Error("enough");
    const out = join(parent, "copy");
    await assert.rejects(log.backup(out, { signal: AbortSignal.abort(reason) }), reason);
    assert.ok(!existsSync(out));
    mkdirSync(out);
    await log.backup(out);
    await fails("CONFLICT", () => log.backup(out));
    await log.close();
    await fails("CLOSED", () => log.backup(join(parent, "late")));
  });
}
