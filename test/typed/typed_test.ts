/** Logs of messages. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as v from "valibot";
import {
  type Codec,
  json,
  type Log,
  LogError,
  openLog,
  SchemaError,
  type StandardSchema,
  text,
  typed,
  type TypedRecord,
} from "../../mod.ts";
import { openMemoryLog } from "../../testing.ts";
import { fails, reopen, take, useDirectory, useLog } from "../helpers.ts";

interface Message {
  readonly text: string;
  readonly likes?: number;
}

async function messages<T>(records: AsyncIterable<TypedRecord<T>>): Promise<(T | null)[]> {
  const all: (T | null)[] = [];
  for await (const record of records) all.push(record.message);
  return all;
}

async function useTyped<T, In>(
  codec: Codec<T, In>,
  body: (log: Log<T, In>) => Promise<void>,
  shards = 1,
): Promise<void> {
  await useDirectory(async (directory) => {
    await using log = await openLog(directory, { codec, shards });
    await body(log);
  });
}

const order = v.object({ item: v.string(), count: v.pipe(v.number(), v.minValue(1)) });
const moment = v.object({ at: v.pipe(v.string(), v.isoTimestamp(), v.transform((at) => new Date(at))) });

describe("a log with a codec", () => {
  it("takes messages and hands them out, whichever way it is read", () =>
    useTyped(json<Message>(), async (log) => {
      await log.append({ key: "alice", message: { text: "hi" } });
      const place = await log.append({
        key: "bob",
        message: { text: "ho", likes: 2 },
        headers: { a: "b" },
        timestamp: 5,
      });
      await log.append({ key: "alice", message: null });
      assert.deepEqual(await messages(log.read({ shard: 0 })), [{ text: "hi" }, { text: "ho", likes: 2 }, null]);
      assert.deepEqual(await messages(log.read({ reverse: true, limit: 1, shard: 0 })), [null]);
      assert.deepEqual(await messages(log.user("alice").read()), [{ text: "hi" }, null]);
      assert.equal((await log.user("alice").head())?.message, null);
      assert.equal(await log.user("alice").count(), 2);
      assert.equal(await log.user("nobody").head(), undefined);
      assert.deepEqual(await messages(log.toReadableStream({ shard: 0, limit: 1 })), [{ text: "hi" }]);
      const record = await log.get(place);
      assert.deepEqual(record?.message, { text: "ho", likes: 2 });
      assert.equal(record?.message, record?.message, "decoded once");
      assert.equal(record?.text(), '{"text":"ho","likes":2}');
      assert.equal(record?.keyText(), "bob");
      assert.equal(record?.timestamp, 5);
      assert.deepEqual(record?.headers, [["a", new TextEncoder().encode("b")]]);
      assert.deepEqual(record?.json<Message>(), record?.message);
      assert.ok(record?.value instanceof Uint8Array);
      assert.equal(await log.get({ offset: 3 }), undefined);
    }));

  it("is the same log as without: bytes on one side, messages on the other", () =>
    useLog({ shards: 2 }, async (log) => {
      const view = typed(log, text());
      const placed = await view.append({ key: "k", message: "über" });
      take(log.shard(placed.shard), { key: "k", value: "raw" });
      await view.flush();
      assert.deepEqual(await messages(view.read()), ["über", "raw"]);
      assert.equal(view.directory, log.directory);
      assert.equal(view.shards, log.shards);
      assert.equal(view.shardFor("k"), log.shardFor("k"));
      assert.ok("toReadableStream" in view);
    }));

  it("follows, and ends with a break, a signal, and its closing", () =>
    useDirectory(async (directory) => {
      const log = await openLog(directory, { codec: json<number>() });
      await log.append({ message: 0 });
      for await (const { message } of log.read({ follow: true })) {
        if (message === 3) break;
        await log.append({ message: message! + 1 });
      }
      const controller = new AbortController();
      const waiting = log.read({ from: "latest", follow: true, signal: controller.signal }).next();
      controller.abort(new Error("stop here"));
      await assert.rejects(waiting, /stop here/);
      const follower = messages(log.read({ follow: true }));
      await log.close();
      assert.deepEqual(await follower, [0, 1, 2, 3]);
      await fails("CLOSED", () => log.append({ message: 4 }));
    }));

  it("takes messages from a stream", () =>
    useTyped(json<number>(), async (log) => {
      const writer = log.toWritableStream().getWriter();
      for (let i = 0; i < 20; i++) await writer.write({ key: "k", message: i });
      await writer.close();
      assert.deepEqual(await messages(log.read()), Array.from({ length: 20 }, (_, i) => i));
      const refused = log.toWritableStream().getWriter();
      await assert.rejects(refused.write({ message: undefined as unknown as number }), TypeError);
      await assert.rejects(refused.closed, TypeError);
    }));

  it("keeps the order of appends that do not wait for each other", () =>
    useTyped(json<number>(), async (log) => {
      await Promise.all(Array.from({ length: 50 }, (_, message) => log.append({ message })));
      assert.deepEqual(await messages(log.read()), Array.from({ length: 50 }, (_, i) => i));
    }));

  it("goes on behind a value that cannot be decoded, and says which one it is", () =>
    useLog({}, async (log) => {
      for (const value of ["1", "{", "3"]) await log.append({ value });
      const found = await Array.fromAsync(typed(log, json<number>()).read());
      assert.equal(found[0].message, 1);
      const error = await fails("UNSUPPORTED", () => found[1].message);
      assert.deepEqual(error.range, [1, 1]);
      assert.equal(error.shard, 0);
      assert.ok(error.cause instanceof SyntaxError);
      assert.equal(found[1].text(), "{");
      assert.equal(found[2].message, 3);
      await log.append({ value: new Uint8Array([0xff]) });
      const [last] = await Array.fromAsync(typed(log, text()).read({ last: 1 }));
      await fails("UNSUPPORTED", () => last.message);
    }));

  it("refuses what is no message, and takes nothing then", () =>
    useTyped(json<unknown>(), async (log) => {
      const wrong: unknown[] = [
        undefined,
        null,
        5,
        {},
        { message: undefined },
        { message: () => {} },
        { message: 1n },
        {
          value: "raw",
          message: 1,
        },
      ];
      for (const record of wrong) await assert.rejects(log.append(record as { message: unknown }), TypeError);
      assert.equal(log.shard(0).nextOffset, 0);
    }));

  it("refuses a codec that is none before it opens anything", () =>
    useDirectory(async (directory) => {
      for (const codec of [{}, null, "json", { encode: 1, decode: 2 }]) {
        await assert.rejects(openLog(directory, { codec: codec as unknown as Codec<string> }), TypeError);
      }
      await reopen(directory, {}, () => {});
    }));

  it("is there for a log in memory, too", async () => {
    const log = await openMemoryLog({ seed: 1 });
    const view = typed(log, json<string>());
    await view.append({ message: "hi" });
    assert.deepEqual(await messages(view.read()), ["hi"]);
    await view.close();
  });
});

describe("a schema", () => {
  it("is asked on write and on read", () =>
    useTyped(json(order), async (log) => {
      await log.append({ message: { item: "tea", count: 2 } });
      const refused = await log.append({ message: { item: "tea", count: 0 } }).catch((error) => error);
      assert.ok(refused instanceof SchemaError && refused instanceof TypeError);
      assert.equal(refused.issues.length, 1);
      assert.match(refused.message, /^Cannot append a message: count: /);
      take(log.shard(0), { value: '{"item":"tea"}' });
      await log.flush();
      const [good, bad] = await Array.fromAsync(log.read());
      assert.deepEqual(good.message, { item: "tea", count: 2 });
      const error = await fails("UNSUPPORTED", () => bad.message);
      assert.ok(error.cause instanceof SchemaError && error.cause.issues.length > 0);
    }));

  it("is asked only when it should", () =>
    useLog({}, async (log) => {
      const bad = { item: "tea", count: 0 };
      await assert.rejects(typed(log, json(order, { check: "write" })).append({ message: bad }), SchemaError);
      await typed(log, json(order, { check: "read" })).append({ message: bad });
      const [record] = await Array.fromAsync(typed(log, json(order, { check: "write" })).read());
      assert.deepEqual(record.message, bad);
      const [checked] = await Array.fromAsync(typed(log, json(order, { check: "read" })).read());
      await fails("UNSUPPORTED", () => checked.message);
    }));

  it("transforms on read: what is stored is what was given", () =>
    useTyped(json(moment), async (log) => {
      const at = "2026-01-31T12:00:00.000Z";
      await log.append({ message: { at } });
      const [record] = await Array.fromAsync(log.read());
      assert.equal(record.text(), `{"at":"${at}"}`);
      assert.deepEqual(record.message, { at: new Date(at) });
    }));

  it("may be asynchronous on write, and says so where it cannot be", () =>
    useLog({}, async (log) => {
      const schema = v.pipeAsync(v.string(), v.checkAsync((value) => Promise.resolve(value !== "bad"), "is bad"));
      const writing = typed(log, json(schema, { check: "write" }));
      await writing.append({ message: "good" });
      await assert.rejects(writing.append({ message: "bad" }), SchemaError);
      const stream = writing.toWritableStream().getWriter();
      await stream.write({ message: "fine" });
      await stream.close();
      assert.deepEqual(await messages(writing.read()), ["good", "fine"]);
      const [record] = await Array.fromAsync(typed(log, json(schema)).read());
      const error = await fails("UNSUPPORTED", () => record.message);
      assert.match(error.message, /asynchronous; use check: "write"/);
    }));

  it("of any library will do, and what is none is refused", async () => {
    const even: StandardSchema<number> = {
      "~standard": {
        version: 1,
        vendor: "test",
        validate: (value) =>
          typeof value === "number" && value % 2 === 0
            ? { value }
            : { issues: [{ message: "odd", path: ["a", { key: 0 }] }, { message: "wrong" }] },
      },
    };
    await useTyped(json(even), async (log) => {
      await log.append({ message: 4 });
      const error = await log.append({ message: 3 }).catch((error) => error);
      assert.equal(error.message, "Cannot append a message: a.0: odd; wrong");
    });
    for (const schema of [null, {}, { "~standard": {} }, { "~standard": { version: 2, validate: () => {} } }]) {
      assert.throws(() => json(schema as unknown as StandardSchema), TypeError);
    }
    assert.throws(() => json(even, { check: "never" as "read" }), RangeError);
  });

  it("of the codec for text is that it is text", async () => {
    await useTyped(text(), async (log) => {
      await assert.rejects(log.append({ message: 5 as unknown as string }), TypeError);
      await log.append({ message: "\ufeffmark" });
      assert.deepEqual(await messages(log.read()), ["\ufeffmark"]);
    });
    assert.ok(LogError);
  });
});
