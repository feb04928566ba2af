/**
 * A log as Web Streams.
 *
 * @module
 */
import type { RecordInput } from "../batch/record_input.ts";
import type { Rung, SignalOptions } from "../options.ts";
import type { ReadOptions } from "../read/read_options.ts";

/** Records that a stream reads ahead where nobody says otherwise. */
const READ_AHEAD = 16;
/** Records that wait in a writable stream where nobody says otherwise. */
const WRITE_AHEAD = 64;

/** Options of `log.toReadableStream`. */
export interface ReadableStreamOptions extends ReadOptions {
  /** Records that are held ready for who reads the stream, from 0. @default {16} */
  highWaterMark?: number;
}

/** Options of `log.toWritableStream`. */
export interface WritableStreamOptions extends SignalOptions {
  /** How far everything written must have come when `close` resolves. @default {the log's} */
  durability?: Rung;
  /** Records that may wait in the stream before its `ready` has to be waited for, from 1. @default {64} */
  highWaterMark?: number;
}

/** A stream of what a reader hands out: it takes a step only when somebody wants more. */
export function readableOf<T>(records: AsyncIterator<T>, highWaterMark: number = READ_AHEAD): ReadableStream<T> {
  checkMark(highWaterMark, 0);
  let isCancelled = false;
  return new ReadableStream<T>({
    async pull(controller) {
      do {
        const step = await records.next();
        if (isCancelled) return;
        if (step.done) return controller.close();
        controller.enqueue(step.value);
      } while ((controller.desiredSize ?? 0) > 0);
    },
    async cancel() {
      isCancelled = true;
      await records.return?.();
    },
  }, { highWaterMark });
}

/** What a writable stream needs of its log. */
export interface RecordSink<R> {
  /** Takes a record, once there is room. */
  take(record: R, signal: AbortSignal): unknown;
  /** Everything taken has come so far. */
  flush(rung: Rung | undefined, options: SignalOptions): Promise<unknown>;
}

/** A stream whose records a log takes. */
export function writableOf<R = RecordInput>(sink: RecordSink<R>, options: WritableStreamOptions): WritableStream<R> {
  const { durability, highWaterMark = WRITE_AHEAD, signal } = options;
  checkMark(highWaterMark, 1);
  if (durability !== undefined && durability !== "os" && durability !== "disk") {
    throw new RangeError(`Cannot write a stream: durability must be "os" or "disk", not ${String(durability)}`);
  }
  const aborted = new AbortController();
  const onAbort = (): void => aborted.abort(signal!.reason);
  const release = (): void => signal?.removeEventListener("abort", onAbort);
  return new WritableStream<R>({
    start(controller) {
      // Whoever aborts the stream does not wait for the room that a write waits for.
      controller.signal.addEventListener("abort", () => aborted.abort(controller.signal.reason), { once: true });
      if (signal === undefined) return;
      aborted.signal.addEventListener("abort", () => controller.error(aborted.signal.reason), { once: true });
      if (signal.aborted) onAbort();
      else signal.addEventListener("abort", onAbort, { once: true });
    },
    async write(record) {
      try {
        await sink.take(record, aborted.signal);
      } catch (error) {
        release();
        throw error;
      }
    },
    async close() {
      try {
        await sink.flush(durability, { signal: aborted.signal });
      } finally {
        release();
      }
    },
    abort: release,
  }, { highWaterMark });
}

function checkMark(value: number, low: number): void {
  if (typeof value === "number" && value >= low) return;
  throw new RangeError(`Cannot make a stream: highWaterMark must be a number from ${low}, not ${String(value)}`);
}
