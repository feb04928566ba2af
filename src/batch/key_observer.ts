/**
 * Who is told of the keys of batches that are made.
 *
 * @module
 */

/** Sees each key while its bytes are at hand. */
export interface KeyObserver {
  /** A batch begins; one that was begun before and not sealed is none. */
  begin(): void;
  /** A record of the open batch has a key: `length` bytes from `at`. Its offset is `delta` behind that of the batch. */
  key(bytes: Uint8Array, at: number, length: number, delta: number): void;
  /** The open batch is finished; `count` are all of its records. */
  sealed(baseOffset: number, count: number): void;
}
