/**
 * Reading stdin in chunks, until it ends or somebody says that it is enough.
 *
 * @module
 */

/** Chunks of a stream, one at a time. */
export class Input {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #stopped: { readonly error?: unknown } | undefined = undefined;
  /** Wakes the call that waits. Held here and not raced: a race would leave a trace in memory for every chunk. */
  #wake: (() => void) | undefined = undefined;

  constructor(stream: AsyncIterable<Uint8Array>) {
    this.#chunks = stream[Symbol.asyncIterator]();
  }

  /** True where the stream itself came to its end. */
  ended = false;

  /** The next chunk; `undefined` at the end of the stream, or after {@linkcode Input.stop}. */
  async next(): Promise<Uint8Array | undefined> {
    if (this.#stopped === undefined) {
      const chunk = await new Promise<Uint8Array | undefined>((resolve, reject) => {
        this.#wake = () => resolve(undefined);
        this.#chunks.next().then((step) => {
          this.ended = step.done === true;
          resolve(step.done ? undefined : step.value);
        }, reject);
      });
      this.#wake = undefined;
      if (this.#stopped === undefined) return chunk;
    }
    if ("error" in this.#stopped) throw this.#stopped.error;
    return undefined;
  }

  /** No more chunks. */
  stop(): void {
    this.#stopped ??= {};
    this.#wake?.();
  }

  /** No more chunks, because of this. */
  fail(error: unknown): void {
    this.#stopped ??= { error };
    this.#wake?.();
  }
}
