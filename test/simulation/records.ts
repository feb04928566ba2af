/** Records of a simulation: every one is like no other, so that a lost, doubled or resurrected one shows. */
import type { SeededRandom } from "../../adapters/memory.ts";
import { BatchBuilder } from "../../src/batch/batch_builder.ts";
import { patchBatch } from "../../src/batch/format.ts";
import type { RecordInput } from "../../src/batch/record_input.ts";
import type { LogRecord } from "../../src/read/stored_record.ts";

type Headers = readonly (readonly [string, Uint8Array | null])[];

/** What must be read back. */
export interface Expected {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: Headers;
  readonly timestamp: number;
}

/** A record and what must be read back of it. */
export interface Made {
  readonly input: RecordInput;
  readonly expected: Expected;
}

/** Users of a simulation. */
export const USERS: readonly string[] = ["alice", "bob", "çelik", "d", ""];

const utf8 = new TextEncoder();
const USER_BYTES: readonly Uint8Array[] = USERS.map((user) => utf8.encode(user));
const NO_HEADERS: Headers = [];

/** Values are small and many: they are cut from one piece of memory. */
const SLAB_BYTES = 64 * 1024;
let slab: Uint8Array = new Uint8Array(0);
let slabUsed = 0;

function cut(bytes: number): Uint8Array {
  if (slabUsed + bytes > slab.length) {
    slab = new Uint8Array(SLAB_BYTES);
    slabUsed = 0;
  }
  return slab.subarray(slabUsed, slabUsed += bytes);
}

/** Makes records of random shape. */
export class RecordMaker {
  readonly #random: SeededRandom;
  #made = 0;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  /**
   * @param nowMs The log's time: what a record without a timestamp of its own gets.
   * @param keyless Whether the record has no key, so that the log chooses the shard.
   */
  make(nowMs: number, keyless: boolean = this.#random.chance(0.2)): Made {
    const random = this.#random;
    const number = ++this.#made;
    const user = random.below(USERS.length);
    const isText = random.chance(0.5);
    const value = random.chance(0.05) ? null : this.#bytes(number, this.#size());
    // A tombstone is told from others by its header.
    const headers = value === null || random.chance(0.1) ? this.#headers(number) : NO_HEADERS;
    const own = random.chance(0.1);
    const timestamp = own ? nowMs + random.below(2000) - 1000 : nowMs;
    const input: RecordInput = {
      key: keyless ? null : isText ? USERS[user] : USER_BYTES[user],
      value,
      ...(headers === NO_HEADERS ? {} : { headers }),
      ...(own ? { timestamp } : {}),
    };
    return { input, expected: { key: keyless ? null : USER_BYTES[user], value, headers, timestamp } };
  }

  /** A record whose value is an intact batch that would continue the log at `offset`: a search for batches must not fall for it. */
  makeHostile(nowMs: number, offset: number, epoch: number): Made {
    builder.add({ value: this.#bytes(++this.#made, 8), timestamp: nowMs });
    const value = builder.finish();
    patchBatch(value, 0, offset, epoch);
    return { input: { value }, expected: { key: null, value, headers: NO_HEADERS, timestamp: nowMs } };
  }

  #size(): number {
    const draw = this.#random.below(100);
    if (draw < 55) return this.#random.below(60);
    if (draw < 85) return 60 + this.#random.below(140);
    if (draw < 98) return 200 + this.#random.below(500);
    return 1000 + this.#random.below(4000);
  }

  /** Bytes that say which record they belong to, and at which place. */
  #bytes(number: number, length: number): Uint8Array {
    const bytes = cut(length + 4);
    for (let i = 4; i < bytes.length; i++) bytes[i] = (number * 31 + i * 7) & 0xff;
    bytes[0] = number >>> 24;
    bytes[1] = number >>> 16;
    bytes[2] = number >>> 8;
    bytes[3] = number;
    return bytes;
  }

  #headers(number: number): Headers {
    const headers: [string, Uint8Array | null][] = [["n", utf8.encode(String(number))]];
    if (this.#random.chance(0.5)) headers.push(["größe", null]);
    if (this.#random.chance(0.3)) headers.push(["n", new Uint8Array(0)]);
    return headers;
  }
}

const builder = new BatchBuilder();

/** Packs records into a blob. */
export function pack(records: readonly Made[]): Uint8Array {
  for (const { input, expected } of records) builder.add({ ...input, timestamp: expected.timestamp });
  return builder.finish();
}

/** In which field a record is not what was appended, or `undefined`. */
export function difference(record: LogRecord, expected: Expected): string | undefined {
  if (!sameBytes(record.value, expected.value)) return "value";
  if (!sameBytes(record.key, expected.key)) return "key";
  if (record.timestamp !== expected.timestamp) return `timestamp (${record.timestamp}, not ${expected.timestamp})`;
  return sameHeaders(record.headers, expected.headers) ? undefined : "headers";
}

function sameHeaders(a: Headers, b: Headers): boolean {
  return a.length === b.length && a.every(([name, value], i) => name === b[i][0] && sameBytes(value, b[i][1]));
}

/** Whether two contents are equal, null being a content of its own. */
export function sameBytes(a: Uint8Array | null, b: Uint8Array | null): boolean {
  if (a === null || b === null) return a === b;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
