/**
 * A word in shared memory with which producers wake the log's thread, all of them the same.
 *
 * @module
 */

const RINGS_AT = 0;
const IS_WAITING_AT = 1;
/** No wait lasts longer: what was missed is found by looking again. */
const LOOK_AGAIN_MS = 1000;

/** Rung by producers, heard by the log. */
export class Bell {
  readonly buffer: SharedArrayBuffer;
  readonly #words: Int32Array;

  constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer(8)) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer);
  }

  /** Waking costs a system call: a thread that does not wait is spared it, and looks before it waits. */
  ring(): void {
    Atomics.add(this.#words, RINGS_AT, 1);
    if (Atomics.load(this.#words, IS_WAITING_AT) !== 0) Atomics.notify(this.#words, RINGS_AT);
  }

  /** How often it was rung. */
  get rings(): number {
    return Atomics.load(this.#words, RINGS_AT);
  }

  /** Resolves once it was rung more often than `seen`, or after a second; `undefined` where it was already. It keeps no process alive. */
  wait(seen: number): Promise<void> | undefined {
    Atomics.store(this.#words, IS_WAITING_AT, 1);
    const waiting = Atomics.waitAsync(this.#words, RINGS_AT, seen, LOOK_AGAIN_MS);
    if (waiting.async) {
      return waiting.value.then(() => {
        Atomics.store(this.#words, IS_WAITING_AT, 0);
      });
    }
    Atomics.store(this.#words, IS_WAITING_AT, 0);
    return undefined;
  }
}
