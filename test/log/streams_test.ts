/** A log as Web Streams. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type LogError, openLog, type RecordInput } from "../../mod.ts";
import { openMemoryLog } from "../../testing.ts";
import { fails, outcomeOf, take, texts, useDirectory, useLog } from "../helpers.ts";
import { ControlledVfs } from "../shard/controlled_vfs.ts";

/** A stream of records. */
function recordsOf(count: number, value: (i: number) => string = String): ReadableStream<RecordInput> {
  let i = 0;
  return new ReadableStream({
    pull(controller) {
      if (i === count) controller.close();
      else controller.enqueue({ key: `k${i % 5}`, value: value(i++) });
    },
  });
}

describe("a log as a readable stream", () => {
  it("hands out what read does, with its options, and ends", () =>
    useLog({ shards: 2 }, async (log) => {
      await recordsOf(50).pipeTo(log.toWritableStream());
      assert.deepEqual(await texts(log.toReadableStream()), await texts(log.read()));
      const options = { reverse: true, limit: 7, where: { key: "k3" } };
      const found = await texts(log.toReadableStream({ ...options, highWaterMark: 0 }));
      assert.deepEqual(found, await texts(log.read(options)));
      assert.equal(found.length, 7);
    }));

  it("goes through a transformation into another log", () =>
    useLog({}, (from) =>
      useLog({ shards: 3 }, async (to) => {
        await recordsOf(500).pipeTo(from.toWritableStream());
        const louder = new TransformStream<{ text(): string | null; keyText(): string | null }, RecordInput>({
          transform: (record, controller) => controller.enqueue({ key: record.keyText(), value: `${record.text()}!` }),
        });
        await from.toReadableStream().pipeThrough(louder).pipeTo(to.toWritableStream({ durability: "disk" }));
        assert.ok(to.shards.every(({ synced, nextOffset }) => synced === nextOffset));
        const values = await texts(to.read());
        assert.deepEqual(values.sort(), Array.from({ length: 500 }, (_, i) => `${i}!`).sort());
      })));

  it("reads no further ahead of a slow reader than it was told", () =>
    useLog({}, async (log) => {
      for (let i = 0; i < 1000; i++) take(log.shard(0), { value: `${i}` });
      await log.flush();
      let handed = 0;
      const inner = log.read.bind(log);
      log.read = (options) => {
        const records = inner(options);
        const { next } = records;
        records.next = () => (handed++, next.call(records));
        return records;
      };
      const reader = log.toReadableStream({ highWaterMark: 5 }).getReader();
      for (let read = 1; read <= 20; read++) {
        assert.equal((await reader.read()).value?.text(), `${read - 1}`);
        await new Promise((resolve) => setTimeout(resolve, 2));
        assert.ok(handed <= read + 5, `${handed} were read for ${read}`);
      }
      await reader.cancel();
    }));

  it("is ended by cancelling it, also while it waits for more", () =>
    useLog({}, async (log) => {
      await log.append({ value: "one" });
      const reader = log.toReadableStream({ follow: true }).getReader();
      assert.equal((await reader.read()).value?.text(), "one");
      const waiting = reader.read();
      await reader.cancel(new Error("enough"));
      assert.equal((await waiting).done, true);
      for await (const record of log.toReadableStream({ follow: true })) {
        assert.equal(record.text(), "one");
        break;
      }
    }));

  it("ends with the reason of its signal", () =>
    useLog({}, async (log) => {
      const controller = new AbortController();
      const reader = log.toReadableStream({ follow: true, signal: controller.signal }).getReader();
      const waiting = reader.read();
      controller.abort(new Error("stop here"));
      await assert.rejects(waiting, /stop here/);
    }));
});

describe("a log as a writable stream", () => {
  it("waits for room and holds no more than the buffer", () =>
    useLog({ maxBufferPerShard: 20_000, flushIntervalMs: 1 }, async (log) => {
      await recordsOf(300, (i) => `${i}`.padEnd(1000)).pipeTo(log.toWritableStream());
      const values = await texts(log.read());
      assert.deepEqual(values.map((value) => value!.trim()), Array.from({ length: 300 }, (_, i) => `${i}`));
    }));

  it("does not wait for an acknowledgement with every record, but with close", () =>
    useLog({ flushIntervalMs: Infinity }, async (log) => {
      const writer = log.toWritableStream().getWriter();
      await writer.write({ value: "a" });
      await writer.write({ value: "b" });
      assert.equal(log.shard(0).written, 0);
      await writer.close();
      assert.equal(log.shard(0).written, 2);
    }));

  it("keeps what was taken when it is aborted, and lets go of a write that waits for room", () => {
    let release = (): void => {};
    const held = new Promise<void>((resolve) => release = resolve);
    const vfs = new ControlledVfs(({ kind, path }) => kind === "write" && path.endsWith(".log") ? held : undefined);
    const never = { flushIntervalMs: Infinity, flushBytes: 64 * 1024 * 1024 };
    return useLog({ vfs, maxBufferPerShard: 4096, ...never }, async (log) => {
      const stream = log.toWritableStream();
      const writer = stream.getWriter();
      await writer.write({ value: "a" });
      let waiting: Promise<void> | undefined;
      for (let i = 0; i < 10 && waiting === undefined; i++) {
        const write = writer.write({ value: "x".repeat(1000) });
        if (await outcomeOf(write) === "pending") waiting = write;
      }
      assert.ok(waiting !== undefined, "the buffer got full");
      const failed = assert.rejects(waiting);
      await writer.abort(new Error("never mind"));
      await failed;
      release();
      await log.flush();
      assert.equal((await texts(log.read({ limit: 1 })))[0], "a");
    });
  });

  it("fails with the error of a record that is refused", () =>
    useLog({}, async (log) => {
      const writer = log.toWritableStream().getWriter();
      await assert.rejects(writer.write({ value: 5 } as unknown as RecordInput), TypeError);
      await assert.rejects(writer.closed, TypeError);
      const other = log.toWritableStream().getWriter();
      await assert.rejects(other.write(undefined as unknown as RecordInput), TypeError);
    }));

  it("fails with the reason of its signal, and listens to it no longer once it is closed", () =>
    useLog({}, async (log) => {
      const controller = new AbortController();
      const writer = log.toWritableStream({ signal: controller.signal }).getWriter();
      await writer.write({ value: "a" });
      controller.abort(new Error("stop here"));
      await assert.rejects(writer.closed, /stop here/);
      await assert.rejects(writer.write({ value: "b" }), /stop here/);
      const late = log.toWritableStream({ signal: controller.signal }).getWriter();
      await assert.rejects(late.closed, /stop here/);
    }));

  it("of a closed log refuses", () =>
    useDirectory(async (directory) => {
      const log = await openLog(directory);
      const writer = log.toWritableStream().getWriter();
      await writer.write({ value: "a" });
      await log.close();
      assert.equal((await writer.write({ value: "b" }).catch((error) => error) as LogError).code, "CLOSED");
      await fails("CLOSED", () => log.toWritableStream());
      await fails("CLOSED", () => log.toReadableStream());
      await writer.closed.catch(() => {});
    }));

  it("rejects close where the last records cannot be written", async () => {
    const log = await openMemoryLog({ flushIntervalMs: Infinity });
    const writer = log.toWritableStream().getWriter();
    await writer.write({ value: "a" });
    log.plan({ fault: "writeFails" });
    writer.closed.catch(() => {});
    const error = await writer.close().catch((error) => error) as LogError;
    assert.ok(["POISONED", "IO"].includes(error.code), String(error));
    await log.close().catch(() => {});
  });

  it("refuses marks and rungs that are none", () =>
    useLog({}, (log) => {
      assert.throws(() => log.toReadableStream({ highWaterMark: -1 }), RangeError);
      assert.throws(() => log.toWritableStream({ highWaterMark: 0 }), RangeError);
      assert.throws(() => log.toWritableStream({ durability: "ssd" as "disk" }), RangeError);
      return Promise.resolve();
    }));
});
