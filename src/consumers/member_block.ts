/**
 * Shared memory of one member in a worker: what the group has granted, and what the worker wants.
 *
 * @module
 */
import { LogError, type LogErrorCode } from "../errors.ts";

export const NEW = 0;
export const CONNECTED = 1;
/** It gave no sign of life: its shards are others' now. The next sign brings it back. */
export const LAPSED = 2;
export const LEFT = 3;
/** The log is closed. */
export const OVER = 4;

/** No wait for a notification lasts longer: what was missed is found by looking again. */
export const LOOK_AGAIN_MS = 1000;

const STATE_AT = 0;
const ACTIVE_AT = 1;
const CHANGES_AT = 2;
const BEATS_AT = 3;
const REQUEST_AT = 4;
const ANSWER_AT = 5;
const CODE_AT = 6;
const MESSAGE_BYTES_AT = 7;
const OPENED_AT = 8;
const SHARD_AT = 9;
const CONTROL_WORDS = 16;
const MAX_MESSAGE_BYTES = 1024;

const GRANT_AT = 0;
const FROM_AT = 1;
const REVOKED_AT = 2;
const COMMITTED_AT = 3;
const RELEASED_AT = 4;
const WANTED_AT = 5;
const WANTED_GRANT_AT = 6;
const SHARD_WORDS = 7;

const CODES: readonly LogErrorCode[] = [
  "LOCKED",
  "POISONED",
  "CLOSED",
  "READ_ONLY",
  "CORRUPT_FILE",
  "OFFSET_OUT_OF_RANGE",
  "DISK_FULL",
  "CONFLICT",
  "IO",
];

/** What a shard's words say of a grant. */
export interface GrantWords {
  readonly id: number;
  readonly from: number;
  readonly isRevoked: boolean;
}

/** See above. Each word is written by one side only, except the state. */
export class MemberBlock {
  readonly buffer: SharedArrayBuffer;
  readonly #control: Int32Array;
  readonly #message: Uint8Array;
  readonly #words: BigInt64Array;

  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.#control = new Int32Array(buffer, 0, CONTROL_WORDS);
    this.#message = new Uint8Array(buffer, 4 * CONTROL_WORDS, MAX_MESSAGE_BYTES);
    this.#words = new BigInt64Array(buffer, 4 * CONTROL_WORDS + MAX_MESSAGE_BYTES);
  }

  static create(shards: number): MemberBlock {
    return new MemberBlock(new SharedArrayBuffer(4 * CONTROL_WORDS + MAX_MESSAGE_BYTES + 8 * SHARD_WORDS * shards));
  }

  get state(): number {
    return Atomics.load(this.#control, STATE_AT);
  }

  /** Moves the state on; false where it was not `from`. */
  moveState(from: number, to: number): boolean {
    return Atomics.compareExchange(this.#control, STATE_AT, from, to) === from;
  }

  setState(to: number): void {
    Atomics.store(this.#control, STATE_AT, to);
  }

  get isActive(): boolean {
    return Atomics.load(this.#control, ACTIVE_AT) !== 0;
  }

  set isActive(value: boolean) {
    Atomics.store(this.#control, ACTIVE_AT, value ? 1 : 0);
  }

  /** Signs of life. */
  get beats(): number {
    return Atomics.load(this.#control, BEATS_AT);
  }

  beat(): void {
    Atomics.add(this.#control, BEATS_AT, 1);
  }

  /** How often the log's thread has changed something. */
  get changes(): number {
    return Atomics.load(this.#control, CHANGES_AT);
  }

  /** The log's thread has changed something. */
  changed(): void {
    Atomics.add(this.#control, CHANGES_AT, 1);
    Atomics.notify(this.#control, CHANGES_AT);
  }

  /** Resolves once something was changed since `seen`, at the latest after {@linkcode LOOK_AGAIN_MS}. It keeps no thread alive. */
  async waitForChange(seen: number): Promise<void> {
    const waiting = Atomics.waitAsync(this.#control, CHANGES_AT, seen, LOOK_AGAIN_MS);
    if (waiting.async) await waiting.value;
  }

  /** The group was opened, or could not be. */
  get isOpened(): boolean {
    return Atomics.load(this.#control, OPENED_AT) !== 0;
  }

  opened(error: Error | undefined): void {
    this.#tell(error);
    Atomics.store(this.#control, OPENED_AT, 1);
    this.changed();
  }

  /** Number of the last commit that was asked for. */
  get request(): number {
    return Atomics.load(this.#control, REQUEST_AT);
  }

  /** Number of the last commit that was answered. */
  get answer(): number {
    return Atomics.load(this.#control, ANSWER_AT);
  }

  /** The worker wants these next offsets committed; one request at a time. */
  ask(entries: readonly { readonly shard: number; readonly grant: number; readonly next: number }[]): number {
    for (const { shard, grant, next } of entries) {
      this.#set(shard, WANTED_AT, next);
      this.#set(shard, WANTED_GRANT_AT, grant);
    }
    return Atomics.add(this.#control, REQUEST_AT, 1) + 1;
  }

  /** What the last request asks for. */
  wanted(shards: number): { shard: number; grant: number; next: number }[] {
    const entries: { shard: number; grant: number; next: number }[] = [];
    for (let shard = 0; shard < shards; shard++) {
      const grant = this.#get(shard, WANTED_GRANT_AT);
      if (grant === 0) continue;
      entries.push({ shard, grant, next: this.#get(shard, WANTED_AT) });
      this.#set(shard, WANTED_GRANT_AT, 0);
    }
    return entries;
  }

  reply(request: number, error: Error | undefined): void {
    this.#tell(error);
    Atomics.store(this.#control, ANSWER_AT, request);
    this.changed();
  }

  /** What the last answer says; `undefined` where all went well. */
  get failure(): LogError | undefined {
    const code = Atomics.load(this.#control, CODE_AT);
    if (code === 0) return undefined;
    const length = Atomics.load(this.#control, MESSAGE_BYTES_AT);
    // A decoder takes no shared memory.
    const message = new TextDecoder().decode(this.#message.slice(0, length));
    const shard = Atomics.load(this.#control, SHARD_AT);
    return new LogError(CODES[code - 1], message, shard < 0 ? {} : { shard });
  }

  #tell(error: Error | undefined): void {
    const code = error instanceof LogError ? CODES.indexOf(error.code) + 1 : 0;
    Atomics.store(this.#control, CODE_AT, error === undefined ? 0 : code === 0 ? CODES.indexOf("IO") + 1 : code);
    const shard = error instanceof LogError ? error.shard : undefined;
    Atomics.store(this.#control, SHARD_AT, shard ?? -1);
    const bytes = new TextEncoder().encode(error?.message ?? "").subarray(0, MAX_MESSAGE_BYTES);
    this.#message.set(bytes);
    Atomics.store(this.#control, MESSAGE_BYTES_AT, bytes.length);
  }

  /** `undefined`: the shard is not this member's. */
  setGrant(shard: number, grant: GrantWords | undefined): void {
    // Nobody may see a grant with the offset of another.
    if (this.#get(shard, GRANT_AT) !== grant?.id) this.#set(shard, GRANT_AT, 0);
    this.#set(shard, FROM_AT, grant?.from ?? 0);
    this.#set(shard, REVOKED_AT, grant?.isRevoked ? grant.id : 0);
    this.#set(shard, GRANT_AT, grant?.id ?? 0);
  }

  /** The grant of a shard; read again where it changed meanwhile. */
  grant(shard: number): GrantWords | undefined {
    for (;;) {
      const id = this.#get(shard, GRANT_AT);
      const from = this.#get(shard, FROM_AT);
      const isRevoked = this.#get(shard, REVOKED_AT) === id;
      if (this.#get(shard, GRANT_AT) === id) return id === 0 ? undefined : { id, from, isRevoked };
    }
  }

  committed(shard: number): number {
    return this.#get(shard, COMMITTED_AT);
  }

  setCommitted(shard: number, next: number): void {
    this.#set(shard, COMMITTED_AT, next);
  }

  /** The last grant of a shard that was given back. */
  released(shard: number): number {
    return this.#get(shard, RELEASED_AT);
  }

  release(shard: number, grant: number): void {
    this.#set(shard, RELEASED_AT, grant);
  }

  #get(shard: number, at: number): number {
    return Number(Atomics.load(this.#words, shard * SHARD_WORDS + at));
  }

  #set(shard: number, at: number, value: number): void {
    Atomics.store(this.#words, shard * SHARD_WORDS + at, BigInt(value));
  }
}

/** Why a worker cannot use its member. */
export function goneError(name: string, state: number): LogError {
  if (state === OVER) {
    return new LogError("CLOSED", `Cannot use the consumer ${name}: its log is closed; open it again`);
  }
  const what = state === NEW ? "it is not connected" : "it was closed, or gave no sign of life for too long";
  return new LogError(
    "CONFLICT",
    `Cannot use the consumer ${name}: ${what}; make a new handle with log.consumerHandle()`,
  );
}
