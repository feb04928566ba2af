import assert from "node:assert/strict";
import { appendFileSync, existsSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { type Log, openLog, type OpenOptions } from "../../mod.ts";
import { collect, fails, filled, listing, outcomeOf, reopen, take, texts, until, useDirectory } from "../helpers.ts";
import { start } from "../runtimes/children.ts";
import { verifyAll } from "../runtimes/records.ts";
import { type Control, ControlledVfs, Gate } from "../shard/controlled_vfs.ts";

const readOnly: OpenOptions = { readOnly: true };

describe("a log that is open for reading only", () => {
  const states: readonly (readonly [what: string, damage: (shard: string) => void, records: number])[] = [
    ["cleanly closed", () => {}, 20],
    ["with a torn tail", (shard) => appendFileSync(join(shard, "00000000000000000000.log"), filled(100, 1)), 20],
    ["without anchor", (shard) => rmSync(join(shard, "anchor")), 20],
    ["without state", (shard) => rmSync(join(shard, "state")), 20],
    ["without index", (shard) => rmSync(join(shard, "00000000000000000000.idx")), 20],
    [
      "with an index of zeros",
      (shard) => writeFileSync(join(shard, "00000000000000000000.idx"), new Uint8Array(500)),
      20,
    ],
    ["with a lost end", (shard) => truncateSync(join(shard, "00000000000000000000.log"), 300), 2],
  ];
  for (const [what, damage, records] of states) {
    it(`writes nothing: ${what} [fault 47]`, () =>
      useDirectory(async (directory) => {
        await reopen(directory, { topic: "log", batchBytes: 200 }, (log) => {
          for (let i = 0; i < 20; i++) take(log.shard(0), { key: "k", value: `${i}`.padEnd(70) });
        });
        damage(join(directory, "log-0"));
        const before = listing(directory);
        await reopen(directory, readOnly, async (log) => {
          assert.equal((await collect(log.read({ onCorrupt: "skip" }))).length, records);
          assert.equal((await collect(log.read({ last: 2, onCorrupt: "skip" }))).length, 2);
          const followed = log.read({ follow: true, from: "latest" }).next();
          assert.equal(await outcomeOf(followed), "pending");
          await fails("READ_ONLY", () => log.append({ value: "x" }));
        });
        assert.deepEqual(listing(directory), before);
      }));
  }

  it("may be open several times, beside a writer too", () =>
    useDirectory(async (directory) => {
      await reopen(directory, {}, (log) => log.append({ value: "x" }));
      const logs = [await openLog(directory, readOnly), await openLog(directory), await openLog(directory, readOnly)];
      for (const log of logs) assert.deepEqual(await texts(log.read()), ["x"]);
      for (const log of logs) await log.close();
    }));

  it("reads a log whose shards were never written", () =>
    useDirectory(async (directory) => {
      await reopen(directory, { shards: 3 }, () => {});
      await reopen(directory, readOnly, async (log) => {
        assert.deepEqual(await texts(log.read()), []);
        assert.deepEqual(log.shards.map(({ nextOffset }) => nextOffset), [0, 0, 0]);
      });
    }));
});

/** Runs `body` with a writer that `control` has in hand, and a reader that was opened beside it. */
async function useBoth(
  options: OpenOptions,
  control: Control,
  body: (writer: Log, reader: Log) => Promise<void>,
): Promise<void> {
  await useDirectory(async (directory) => {
    const vfs = new ControlledVfs(control);
    const writer = await openLog(directory, { topic: "log", flushIntervalMs: Infinity, ...options, vfs });
    const reader = await openLog(directory, readOnly);
    try {
      await body(writer, reader);
    } finally {
      await reader.close();
      await writer.close();
    }
  });
}

describe("a reader beside a live writer", () => {
  it("sees what is published, from the first record of an empty log on", () =>
    useBoth({}, () => {}, async (writer, reader) => {
      assert.deepEqual(await texts(reader.read()), []);
      for (let i = 0; i < 5; i++) {
        await Promise.all([writer.append({ value: `${i}` }), writer.flush()]);
        assert.deepEqual(await texts(reader.read()), Array.from({ length: i + 1 }, (_, k) => `${k}`));
        assert.equal(reader.shard(0).written, i + 1);
      }
    }));

  it("sees nothing that is in the file but not published [fault 54]", () => {
    const gate = new Gate();
    let held = false;
    const control: Control = ({ kind, path }) =>
      held && kind === "write" && path.endsWith("/anchor") ? gate.passed : undefined;
    return useBoth({}, control, async (writer, reader) => {
      take(writer.shard(0), { value: "published" });
      await writer.flush();
      held = true;
      const flushed = [1, 2].map((i) => {
        take(writer.shard(0), { value: `in flight ${i}` });
        return writer.flush();
      });
      await new Promise((resolve) => setTimeout(resolve, 20));
      assert.deepEqual(await texts(reader.read()), ["published"]);
      assert.deepEqual(await texts(writer.read()), ["published"]);
      await reopen(writer.directory, readOnly, async (late) => {
        assert.deepEqual(await texts(late.read()), ["published"], "also who opens at that moment");
      });
      gate.open();
      await Promise.all(flushed);
      assert.deepEqual(await texts(reader.read()), ["published", "in flight 1", "in flight 2"]);
    });
  });

  it("follows across segments, and finds by offset and time in them", () =>
    useBoth({ segmentBytes: 2000, batchBytes: 500 }, () => {}, async (writer, reader) => {
      const seen: (string | null)[] = [];
      const controller = new AbortController();
      const following = (async () => {
        for await (const record of reader.read({ follow: true, signal: controller.signal })) seen.push(record.text());
      })();
      const expected: string[] = [];
      for (let i = 0; i < 60; i++) {
        expected.push(`${i}`.padEnd(200));
        take(writer.shard(0), { value: expected[i], timestamp: 1000 + i });
        if (i % 7 === 0) await writer.flush();
        if (i % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 15));
      }
      await writer.flush();
      await until(() => seen.length === 60, "all records seen");
      assert.deepEqual(seen, expected);
      assert.deepEqual(await texts(reader.read({ shard: 0, from: 55 })), expected.slice(55));
      assert.deepEqual(await texts(reader.read({ from: new Date(1050) })), expected.slice(50));
      controller.abort(new Error("enough"));
      await assert.rejects(following, /enough/);
    }));

  it("goes on reading when the writer closes and another one comes", () =>
    useDirectory(async (directory) => {
      await reopen(directory, {}, (log) => log.append({ value: "0" }));
      await reopen(directory, readOnly, async (reader) => {
        const seen: (string | null)[] = [];
        const following = (async () => {
          for await (const record of reader.read({ follow: true })) seen.push(record.text());
        })();
        for (let i = 1; i < 4; i++) {
          await reopen(directory, {}, (log) => log.append({ value: `${i}` }));
          await until(() => seen.length === i + 1, `record ${i} seen`);
        }
        await reader.close();
        await following;
        assert.deepEqual(seen, ["0", "1", "2", "3"]);
      });
    }));

  it("in another process follows it", () =>
    useDirectory(async (directory) => {
      const writer = start("holder.ts", { directory, append: 1 });
      await writer.line("open");
      await reopen(directory, readOnly, async (reader) => {
        const follower = reader.read({ follow: true });
        assert.equal((await follower.next()).value.text(), "0");
        for (const text of ["a", "b", "c"]) {
          const step = follower.next();
          writer.send(text);
          assert.equal((await step).value.text(), text);
        }
        await writer.kill();
        assert.deepEqual(await texts(reader.read()), ["0", "a", "b", "c"]);
      });
    }));

  it("never takes a busy writer's log for damaged, and reads whole records only [fault 54]", () =>
    useDirectory(async (parent) => {
      const directory = join(parent, "log");
      const acks = join(parent, "acks");
      const seed = 7;
      const options = { shards: 2, segmentBytes: 100_000, flushIntervalMs: 1 };
      const writer = start("appender.ts", { directory, acks, seed, options });
      await writer.line("open");
      await until(() => existsSync(acks), "the first acknowledgement");
      let before = [0, 0];
      for (let round = 0; round < 15; round++) {
        await reopen(directory, readOnly, async (log) => {
          assert.deepEqual(log.recovery.map(({ verdict, cutBytes }) => [verdict, cutBytes]), [["clean", 0], [
            "clean",
            0,
          ]]);
          const last = await collect(log.read({ last: 20 }));
          assert.ok(last.length <= 20);
          const ends = log.shards.map((shard) => shard.written);
          for (const [i, end] of ends.entries()) assert.ok(end >= before[i], "the end never goes back");
          before = ends;
        });
      }
      await writer.kill();
      await reopen(directory, readOnly, async (log) => {
        const counts = await verifyAll(log, seed);
        for (const [i, count] of counts.entries()) assert.ok(count >= before[i]);
      });
    }));
});
