/**
 * A log with a codec: a view of any log.
 *
 * @module
 */
import type { BytesInput, RecordInput } from "../batch/record_input.ts";
import type { Appended, AppendOptions, Log, RecordPlace, UserReadOptions, UserStream } from "../log/log_types.ts";
import { readableOf, type ReadableStreamOptions, writableOf, type WritableStreamOptions } from "../log/streams.ts";
import type { InputOf, RecordOf, TypedRecord, TypedRecordInput } from "../log/typed_records.ts";
import type { SignalOptions } from "../options.ts";
import type { ReadOptions } from "../read/read_options.ts";
import type { LogRecord } from "../read/stored_record.ts";
import type { MaybePromise } from "../vfs.ts";
import type { Codec } from "./codec.ts";
import { overriding } from "./overriding.ts";
import { DecodingReader, DecodingRecord } from "./typed_record.ts";

/**
 * A view of a log through a codec: what goes in and comes out has a `message`. Everything else is the log itself, its shards among it:
 * they take bytes. Closing the view closes the log. `openLog` with a `codec` answers such a view.
 *
 * @example
 * ```ts
 * import { json, openLog, typed } from "@bimip/log";
 *
 * const log = await openLog("./data/typed-example");
 * const orders = typed(log, json<{ item: string; count: number }>());
 * await orders.append({ key: "alice", message: { item: "tea", count: 2 } });
 * const head = await orders.user("alice").head();
 * console.log(head?.message?.count);
 * await log.close();
 * ```
 *
 * @throws {TypeError} where `codec` is none.
 */
export function typed<T, In = T>(log: Log, codec: Codec<T, In>): Log<T, In> {
  assertCodec(codec);
  const reader = (records: AsyncIterableIterator<LogRecord>) => new DecodingReader<T>(records, codec);
  const record = (found: LogRecord | undefined): TypedRecord<T> | undefined =>
    found === undefined ? undefined : new DecodingRecord<T>(found, codec);
  const read = (options?: ReadOptions) => reader(log.read(options));
  return overriding<Log<T, In>>(log, {
    append: async (input: InputOf<In>, options?: AppendOptions): Promise<Appended> => {
      const record = encoded(input as TypedRecordInput<In>, codec);
      return await log.append(record instanceof Promise ? await record : record, options);
    },
    read: (options?: ReadOptions) => read(options) as AsyncIterableIterator<RecordOf<T>>,
    get: async (place: RecordPlace, options?: SignalOptions) => record(await log.get(place, options)) as RecordOf<T>,
    user: (key: BytesInput) => typedUser(log.user(key), reader, record) as UserStream<T>,
    toReadableStream: ({ highWaterMark, ...options }: ReadableStreamOptions = {}) =>
      readableOf(read(options) as AsyncIterableIterator<RecordOf<T>>, highWaterMark),
    toWritableStream: (options: WritableStreamOptions = {}) => {
      const writer = log.toWritableStream(options).getWriter();
      // It says so itself to whoever writes.
      writer.closed.catch(() => {});
      return writableOf<InputOf<In>>({
        take: async (input) => {
          const record = encoded(input as TypedRecordInput<In>, codec);
          await writer.write(record instanceof Promise ? await record : record);
        },
        flush: () => writer.close(),
      }, options);
    },
  });
}

function typedUser<T>(
  stream: UserStream,
  reader: (records: AsyncIterableIterator<LogRecord>) => DecodingReader<T>,
  record: (found: LogRecord | undefined) => TypedRecord<T> | undefined,
): UserStream {
  return overriding<UserStream>(stream, {
    read: (options?: UserReadOptions) => reader(stream.read(options)),
    head: async () => record(await stream.head()),
  });
}

/**
 * Checks that a codec is one.
 *
 * @throws {TypeError} where it is none.
 */
export function assertCodec(codec: unknown): void {
  const { encode, decode } = (codec ?? {}) as Partial<Codec<unknown>>;
  if (typeof encode === "function" && typeof decode === "function") return;
  throw new TypeError("Cannot use a codec: it must have encode and decode");
}

/** The record that is stored; at once where the codec answers at once, so that appends keep their order. */
function encoded<In>(input: TypedRecordInput<In>, codec: Codec<unknown, In>): MaybePromise<RecordInput> {
  if (typeof input !== "object" || input === null || input.message === undefined) {
    throw new TypeError("Cannot append a record: on a log with a codec it must be an object with a message");
  }
  if ("value" in input) {
    throw new TypeError("Cannot append a record: a log with a codec takes a message, not a value");
  }
  const { message, ...rest } = input;
  const value = message === null ? null : codec.encode(message);
  return value instanceof Promise ? value.then((value) => ({ ...rest, value })) : { ...rest, value };
}
