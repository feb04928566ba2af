/** What the compiler knows of logs with a codec, and of those without: compiling this file is the test. */
import { describe, it } from "node:test";
import * as v from "valibot";
import {
  json,
  type Log,
  type LogRecord,
  type openLog,
  type RecordInput,
  text,
  typed,
  type TypedRecord,
} from "../../mod.ts";

type Same<A, B> = (<X>() => X extends A ? 1 : 2) extends (<X>() => X extends B ? 1 : 2) ? true : false;
function expect<_T extends true>(): void {}

type RecordsOf<L extends { read(): unknown }> = ReturnType<L["read"]>;
type Taken<L extends { append(record: never): unknown }> = Parameters<L["append"]>[0];

interface Message {
  readonly text: string;
}

const place = v.object({ at: v.pipe(v.string(), v.transform((at) => new Date(at))), note: v.optional(v.string(), "") });

/** Never called. */
export async function compile(open: typeof openLog, log: Log): Promise<void> {
  const plain = await open("x");
  expect<Same<typeof plain, Log>>();
  expect<Same<RecordsOf<typeof plain>, AsyncIterableIterator<LogRecord>>>();
  expect<Same<Taken<typeof plain>, RecordInput>>();
  expect<Same<ReturnType<Log["toReadableStream"]>, ReadableStream<LogRecord>>>();
  expect<Same<ReturnType<Log["toWritableStream"]>, WritableStream<RecordInput>>>();
  expect<Same<Awaited<ReturnType<typeof openLog>>, Log>>();
  const configured: Log = await open("x", { shards: 2 });
  void configured;

  const messages = await open("x", { codec: json<Message>(), shards: 2 });
  expect<Same<typeof messages, Log<Message>>>();
  expect<Same<RecordsOf<typeof messages>, AsyncIterableIterator<TypedRecord<Message>>>>();
  for await (const record of messages.read()) expect<Same<typeof record.message, Message | null>>();
  for await (const record of messages.user("a").read()) expect<Same<typeof record.message, Message | null>>();
  for await (const record of messages.toReadableStream()) expect<Same<typeof record.message, Message | null>>();
  expect<Same<Awaited<ReturnType<typeof messages.get>>, TypedRecord<Message> | undefined>>();
  const record: LogRecord = (await messages.get({ offset: 0 }))!;
  void record;
  await messages.append({ key: "a", message: { text: "hi" }, headers: { a: "b" } });
  await messages.append({ message: null });
  // @ts-expect-error: a message of another type
  await messages.append({ message: { text: 5 } });
  // @ts-expect-error: bytes go to the shard
  await messages.append({ value: "hi" });
  // @ts-expect-error: there is no message without a codec
  await plain.append({ message: { text: "hi" } });
  // @ts-expect-error: a log of messages does not take the records that a log takes
  const wrong: Log = messages;
  void wrong;

  const both = typed(log, json(place));
  await both.append({ message: { at: "2026-01-31" } });
  for await (const { message } of both.read()) expect<Same<typeof message, { at: Date; note: string } | null>>();
  const written = typed(log, json(place, { check: "write" }));
  for await (const { message } of written.read()) {
    expect<Same<typeof message, { at: string; note?: string | undefined } | null>>();
  }
  const texts = typed(log, text());
  expect<Same<typeof texts, Log<string>>>();
  // @ts-expect-error: no number is text
  await texts.append({ message: 5 });
}

describe("types", () => {
  it("are what they should be: this file compiles", () => {});
});
