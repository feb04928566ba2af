/**
 * Codecs: between the values of records and the messages of a program.
 *
 * @module
 */
import type { BytesInput } from "../batch/record_input.ts";
import type { MaybePromise } from "../vfs.ts";
import type { StandardIssue, StandardResult, StandardSchema } from "./standard_schema.ts";

/**
 * Makes values of messages and messages of values. `T` is what records hand out, `In` what is appended.
 *
 * @example
 * ```ts
 * import { type Codec, openLog } from "@bimip/log";
 *
 * const numbers: Codec<number> = {
 *   encode: (message) => String(message),
 *   decode: (value) => Number(new TextDecoder().decode(value)),
 * };
 * const log = await openLog("./data/codec-example", { codec: numbers });
 * await log.append({ message: 42 });
 * for await (const record of log.read()) console.log(record.message);
 * await log.close();
 * ```
 */
export interface Codec<T, In = T> {
  /** The value of a message. What it throws, `append` rejects with. It may take its time; appending waits for it. */
  encode(message: In): MaybePromise<BytesInput>;
  /** The message of a value. What it throws is the `cause` of the error that `record.message` throws. */
  decode(value: Uint8Array): T;
}

/** When a schema is asked. */
export interface JsonOptions {
  /**
   * `write`: `append` refuses what does not fit. `read`: `record.message` does, and is what the schema makes of the value. What is
   * stored is the message as it was given, before any transformation.
   *
   * @default {"both"}
   */
  check?: "write" | "read" | "both";
}

/** A message does not fit its schema. */
export class SchemaError extends TypeError {
  /** `SchemaError`. */
  override readonly name: string = "SchemaError";
  /** What is wrong, as the schema's library says it. */
  readonly issues: readonly StandardIssue[];

  /**
   * An error with the issues of a schema.
   *
   * @param action What could not be done.
   * @param issues At least one.
   */
  constructor(action: string, issues: readonly StandardIssue[]) {
    super(`Cannot ${action}: ${issues.map(describeIssue).join("; ") || "its schema refuses it"}`);
    this.issues = issues;
  }
}

function describeIssue({ message, path = [] }: StandardIssue): string {
  const names = path.map((part) => String(typeof part === "object" ? part.key : part));
  return names.length === 0 ? message : `${names.join(".")}: ${message}`;
}

const encoder = new TextEncoder();
/** A leading byte order mark is part of the text. What is no UTF-8 is no text. */
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });

/** A codec for text, stored as UTF-8. A value that is no UTF-8 cannot be decoded. */
export function text(): Codec<string> {
  return {
    encode(message) {
      if (typeof message !== "string") {
        throw new TypeError(`Cannot encode a message: it must be text, not ${kindOf(message)}`);
      }
      return message;
    },
    decode: (value) => utf8.decode(value),
  };
}

/**
 * A codec for JSON of a type that nobody checks.
 *
 * @example
 * ```ts
 * import { json, openLog } from "@bimip/log";
 *
 * const log = await openLog("./data/json-example", { codec: json<{ text: string }>() });
 * await log.append({ key: "alice", message: { text: "hi" } });
 * for await (const record of log.read()) console.log(record.message?.text);
 * await log.close();
 * ```
 */
export function json<T>(): Codec<T>;
/**
 * A codec for JSON that a schema checks: any that implements Standard Schema, such as those of Zod, Valibot and ArkType. Checking on
 * write may be asynchronous, checking on read may not.
 *
 * @throws {TypeError} where `schema` is none.
 * @throws {RangeError} where `check` is none of its words.
 */
export function json<In, Out>(schema: StandardSchema<In, Out>, options: JsonOptions & { check: "write" }): Codec<In>;
/** The same with a check on read: records hand out what the schema makes of the value. */
export function json<In, Out>(schema: StandardSchema<In, Out>, options?: JsonOptions): Codec<Out, In>;
export function json(schema?: StandardSchema, { check = "both" }: JsonOptions = {}): Codec<unknown> {
  if (schema === undefined) return { encode: stringify, decode: parse };
  const standard = schema?.["~standard"];
  if (standard?.version !== 1 || typeof standard.validate !== "function") {
    throw new TypeError("Cannot make a codec: the schema does not implement Standard Schema version 1");
  }
  if (check !== "write" && check !== "read" && check !== "both") {
    throw new RangeError(`Cannot make a codec: check must be "write", "read" or "both", not ${String(check)}`);
  }
  const encode = (message: unknown): MaybePromise<BytesInput> => {
    const stored = stringify(message);
    const result = standard.validate(message);
    if (result instanceof Promise) return result.then((result) => (assertFits(result, "append a message"), stored));
    assertFits(result, "append a message");
    return stored;
  };
  const decode = (value: Uint8Array): unknown => {
    const result = standard.validate(parse(value));
    if (result instanceof Promise) {
      // Nobody waits for it.
      result.catch(() => {});
      throw new TypeError('Cannot check a message on read: its schema is asynchronous; use check: "write"');
    }
    return assertFits(result, "read a message");
  };
  return { encode: check === "read" ? stringify : encode, decode: check === "write" ? parse : decode };
}

function assertFits<T>(result: StandardResult<T>, action: string): T {
  if (result.issues !== undefined) throw new SchemaError(action, result.issues);
  return result.value;
}

function stringify(message: unknown): Uint8Array {
  const stored = JSON.stringify(message) as string | undefined;
  if (stored === undefined) throw new TypeError(`Cannot encode a message: ${kindOf(message)} has no JSON`);
  return encoder.encode(stored);
}

function parse(value: Uint8Array): unknown {
  return JSON.parse(utf8.decode(value));
}

function kindOf(value: unknown): string {
  return value === undefined ? "undefined" : `a ${typeof value}`;
}
