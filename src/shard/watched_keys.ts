/**
 * Newest offsets of the few keys that conditional appends ask for, kept up to date while there are any: everything that is appended to
 * the shard passes by here then.
 *
 * @module
 */
import type { Codecs } from "../batch/codecs.ts";
import { batchBytesAt } from "../batch/format.ts";
import { RecordDecoder } from "../batch/record_decoder.ts";

/** Keys that are kept although nobody asks for them at the moment. */
const MAX_IDLE_KEYS = 4096;
/** After so many records without a question watching ends: plain appends have their fast way back. */
const MAX_UNASKED_RECORDS = 65_536;

/** One key. */
export interface WatchedKey {
  readonly key: Uint8Array;
  readonly hash: number;
  /** Offset of its newest record that was seen or looked up; -1: none. */
  head: number;
  /** What was there before watching began is known, too. */
  isKnown: boolean;
  /** Looking up what was there before; shared by all who ask. */
  lookup: Promise<void> | undefined;
  /** Appends that ask for it now. */
  pins: number;
}

/** See above. */
export class WatchedKeys {
  /** Moves when something went by that could not be looked into. */
  version = 0;
  readonly #codecs: Codecs;
  readonly #onUnused: () => void;
  /** By hash; keys of one hash in a list. */
  readonly #keys = new Map<number, WatchedKey[]>();
  /** Those that nobody asks for, the longest unasked first. */
  readonly #idle = new Set<WatchedKey>();
  #unasked = 0;
  #pins = 0;

  /** @param onUnused Nobody has asked for a long time. */
  constructor(codecs: Codecs, onUnused: () => void) {
    this.#codecs = codecs;
    this.#onUnused = onUnused;
  }

  /** The key, kept until it is let go. */
  pin(key: Uint8Array): WatchedKey {
    this.#unasked = 0;
    this.#pins++;
    const hash = hashOf(key, 0, key.length);
    let watched = this.#find(hash, key, 0, key.length);
    if (watched === undefined) {
      watched = { key: key.slice(), hash, head: -1, isKnown: false, lookup: undefined, pins: 0 };
      const others = this.#keys.get(hash);
      if (others === undefined) this.#keys.set(hash, [watched]);
      else others.push(watched);
    }
    watched.pins++;
    this.#idle.delete(watched);
    return watched;
  }

  unpin(watched: WatchedKey): void {
    this.#pins--;
    if (--watched.pins > 0) return;
    this.#idle.add(watched);
    if (this.#idle.size > MAX_IDLE_KEYS) this.#forget(this.#idle.values().next().value!);
  }

  /** A record was appended; its key is the first `keyBytes` bytes of `key`, -1 where it has none. */
  saw(key: Uint8Array, keyBytes: number, offset: number): void {
    if (keyBytes >= 0) this.#sawKey(key, 0, keyBytes, offset);
    this.#count(1);
  }

  /** Batches with their offsets were appended. */
  sawBatches(bytes: Uint8Array, from: number, to: number): void {
    for (let at = from; at < to; at += batchBytesAt(bytes, at)) {
      if (!this.#sawBatch(bytes, at)) this.#forgetAll();
    }
  }

  /** False where the batch cannot be looked into. */
  #sawBatch(bytes: Uint8Array, at: number): boolean {
    try {
      const decoder = new RecordDecoder(bytes, at, this.#codecs);
      while (decoder.next()) {
        if (decoder.keyBytes < 0) continue;
        this.#sawKey(decoder.bytes, decoder.keyStart, decoder.keyBytes, decoder.offset);
      }
      this.#count(decoder.header.count);
      return decoder.fault === undefined;
    } catch {
      // A codec that is not there.
      return false;
    }
  }

  #sawKey(bytes: Uint8Array, start: number, length: number, offset: number): void {
    const watched = this.#find(hashOf(bytes, start, length), bytes, start, length);
    if (watched !== undefined && offset > watched.head) watched.head = offset;
  }

  #find(hash: number, bytes: Uint8Array, start: number, length: number): WatchedKey | undefined {
    const keys = this.#keys.get(hash);
    if (keys === undefined) return undefined;
    for (const watched of keys) if (isSame(watched.key, bytes, start, length)) return watched;
    return undefined;
  }

  #forget(watched: WatchedKey): void {
    this.#idle.delete(watched);
    const others = this.#keys.get(watched.hash)!.filter((other) => other !== watched);
    if (others.length === 0) this.#keys.delete(watched.hash);
    else this.#keys.set(watched.hash, others);
  }

  #forgetAll(): void {
    this.version++;
    for (const watched of this.#idle) this.#forget(watched);
    for (const keys of this.#keys.values()) for (const watched of keys) watched.isKnown = false;
  }

  #count(records: number): void {
    this.#unasked += records;
    if (this.#unasked > MAX_UNASKED_RECORDS && this.#pins === 0) this.#onUnused();
  }
}

/** FNV-1a: the keys may lie in memory that threads share. */
function hashOf(bytes: Uint8Array, start: number, length: number): number {
  let hash = 0x811c9dc5;
  for (let i = start; i < start + length; i++) hash = Math.imul(hash ^ bytes[i], 0x01000193);
  return hash;
}

function isSame(key: Uint8Array, bytes: Uint8Array, start: number, length: number): boolean {
  if (key.length !== length) return false;
  for (let i = 0; i < length; i++) if (key[i] !== bytes[start + i]) return false;
  return true;
}
