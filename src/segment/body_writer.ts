/**
 * Puts bodies into a `.log`, one behind the other: through the page cache, or past it in whole pages.
 *
 * A direct write (O_DIRECT) needs memory, position and size in whole pages, and batches end anywhere. So it leaves its last,
 * partial page out, and the next direct write begins with that page again: while more is queued, nothing of the file goes through
 * the page cache. What nobody took along by the time it is waited for is written through the page cache. The file therefore never
 * holds a byte that is not data, whichever way it came, and writes in flight never overlap.
 *
 * @module
 */
import type { MaybePromise, VfsFile } from "../vfs.ts";

/** What memory and files are made of, as far as direct writes go. */
export const PAGE_BYTES = 4096;

/** A body on its way. */
export interface Body {
  /** The write of all but its tail. */
  done: MaybePromise<void>;
  /** Its last bytes, left out of the write because they fill no page. They stay where they are until the body is settled. */
  tail: Uint8Array | undefined;
  readonly tailPosition: number;
  /** The direct write that takes the tail along. */
  coveredBy: Body | undefined;
  /** The write has succeeded. */
  isDone: boolean;
}

/** The writing side of one `.log`. Each body begins where the one before it ends. */
export class BodyWriter {
  /** Where the next body goes: behind those that are being written. */
  position: number;
  readonly #file: VfsFile;
  #direct: VfsFile | undefined = undefined;
  /** The bytes of the last page that lie before the position; known from some write on. Kept only for direct writes. */
  #page: Uint8Array | undefined = undefined;
  #isPageKnown = false;
  /** The last body, while its tail is in no write. */
  #open: Body | undefined = undefined;
  /** Tails that no direct write takes along any more, and the page of the last one: they will go through the page cache. */
  #leftBehind = 0;
  #leftBehindPage = 0;
  /** Writes through the page cache that are in flight, and where the last of them ends. */
  #cachedInFlight = 0;
  #cachedEnd = 0;

  constructor(file: VfsFile, position: number) {
    this.#file = file;
    this.position = position;
  }

  /** True once direct writes are possible. */
  get hasDirect(): boolean {
    return this.#direct !== undefined;
  }

  /** A second handle on the file, opened with `direct`. It is closed with the first. */
  useDirect(file: VfsFile): void {
    this.#direct = file;
    this.#page = new Uint8Array(PAGE_BYTES);
    this.#isPageKnown = this.position % PAGE_BYTES === 0;
  }

  /** True where settling waits for no write of another body. */
  isReady(body: Body): boolean {
    return body.isDone && (body.tail === undefined || body.coveredBy === undefined || body.coveredBy.isDone);
  }

  /** Writes `bytes[from, to)` through the page cache. */
  write(bytes: Uint8Array, from: number, to: number): Body {
    const position = this.#advance(bytes, from, to);
    this.#leaveBehind();
    return bodyOf(this.#cached(bytes.subarray(from, to), position));
  }

  /**
   * Writes the whole pages of `bytes[from, to)` past the page cache.
   *
   * @param bytes Page-aligned memory; up to a page before `from` is overwritten with what the file holds there.
   * @returns `undefined` where that is not possible: no handle, no whole page, or the memory lies otherwise than the file.
   */
  writeDirect(bytes: Uint8Array, from: number, to: number): Body | undefined {
    const head = this.position % PAGE_BYTES;
    const tail = to % PAGE_BYTES;
    const direct = this.#direct;
    if (direct === undefined || from % PAGE_BYTES !== head) return undefined;
    // The page in which the body before ends is written again where all of it is at hand and nobody else is writing to it.
    const isCarrying = head > 0 && this.#isPageKnown && !this.#isPageBusy(this.position - head);
    const first = head === 0 || isCarrying ? from - head : from - head + PAGE_BYTES;
    if (first >= to - tail) return undefined;
    let before: MaybePromise<void> = undefined;
    const previous = this.#open;
    if (isCarrying) bytes.set(this.#page!.subarray(0, head), first);
    else this.#leaveBehind();
    const position = this.#advance(bytes, from, to);
    if (first > from) before = this.#cached(bytes.subarray(from, first), position);
    const done = attempt(direct, bytes.subarray(first, to - tail), position + first - from);
    const both = before instanceof Promise ? Promise.all([before, done]).then(() => {}) : done;
    const body = bodyOf(both, tail === 0 ? undefined : bytes.subarray(to - tail, to), position + to - tail - from);
    if (isCarrying && previous?.tail !== undefined) previous.coveredBy = body;
    this.#open = body;
    return body;
  }

  /** Resolves once all of a body is in the file. Bodies are settled in the order in which they were begun. */
  settle(body: Body): MaybePromise<void> {
    if (body.tail === undefined) return body.done;
    return this.#settleTail(body);
  }

  async #settleTail(body: Body): Promise<void> {
    if (body.done instanceof Promise) await body.done;
    if (body.coveredBy !== undefined) {
      if (body.coveredBy.done instanceof Promise) await body.coveredBy.done;
    } else {
      if (this.#open === body) this.#leaveBehind();
      const written = this.#cached(body.tail!, body.tailPosition);
      if (written instanceof Promise) await written;
      this.#leftBehind--;
    }
    body.tail = undefined;
  }

  sync(): MaybePromise<void> {
    return this.#file.sync();
  }

  async close(): Promise<void> {
    try {
      await this.#direct?.close();
    } finally {
      await this.#file.close();
    }
  }

  /** True where something is, or will be, written through the page cache into this page or one behind it. */
  #isPageBusy(page: number): boolean {
    return (this.#leftBehind > 0 && this.#leftBehindPage >= page) ||
      (this.#cachedInFlight > 0 && this.#cachedEnd > page);
  }

  #leaveBehind(): void {
    if (this.#open?.tail !== undefined) {
      this.#leftBehind++;
      this.#leftBehindPage = this.#open.tailPosition;
    }
    this.#open = undefined;
  }

  #cached(bytes: Uint8Array, position: number): MaybePromise<void> {
    const done = attempt(this.#file, bytes, position);
    if (!(done instanceof Promise)) return;
    this.#cachedInFlight++;
    this.#cachedEnd = Math.max(this.#cachedEnd, position + bytes.length);
    const ended = () => {
      this.#cachedInFlight--;
    };
    done.then(ended, ended);
    return done;
  }

  /** Takes the range and remembers the page in which it ends. */
  #advance(bytes: Uint8Array, from: number, to: number): number {
    const position = this.position;
    const head = position % PAGE_BYTES;
    this.position = position + to - from;
    const page = this.#page;
    if (page === undefined) return position;
    const tail = this.position % PAGE_BYTES;
    if (tail <= to - from) {
      page.set(bytes.subarray(to - tail, to));
      this.#isPageKnown = true;
    } else if (this.#isPageKnown) page.set(bytes.subarray(from, to), head);
    return position;
  }
}

function bodyOf(done: MaybePromise<void>, tail?: Uint8Array, tailPosition: number = 0): Body {
  const body: Body = { done, tail, tailPosition, coveredBy: undefined, isDone: !(done instanceof Promise) };
  if (done instanceof Promise) {
    // A failure is told to whoever settles the body; until then it must not count as unhandled.
    done.then(() => {
      body.isDone = true;
    }, () => {});
  }
  return body;
}

/** Whoever appends has nothing to do with a failure at once: its record is taken. It is told when the body is settled. */
function attempt(file: VfsFile, bytes: Uint8Array, position: number): MaybePromise<void> {
  try {
    return file.write(bytes, position);
  } catch (error) {
    return Promise.reject(error);
  }
}
