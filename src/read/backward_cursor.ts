/**
 * Steps through the records of one shard from the end towards the beginning.
 *
 * @module
 */
import { type BatchHeader, HEADER_BYTES } from "../batch/format.ts";
import { RecordDecoder } from "../batch/record_decoder.ts";
import { LogError } from "../errors.ts";
import { logPath } from "../segment/names.ts";
import type { MaybePromise } from "../vfs.ts";
import type { RecordSource, SourceOptions } from "./record_source.ts";
import { besideDrops } from "./retained.ts";
import { type GapEvent, ShardBatches } from "./shard_batches.ts";
import type { ShardView } from "./shard_view.ts";

/** Where and how to read. */
export interface BackwardCursorOptions extends SourceOptions {
  /** Exclusive: the first record handed out is the last one before it. */
  readonly before: number;
}

/** Bytes of the first piece that is read: who wants the newest few records needs no more. Every piece is twice the one before. */
const FIRST_PIECE_BYTES: number = 16 * 1024;
const MAX_PIECE_BYTES: number = 256 * 1024;
/** Bytes of batches that are held at once, one batch more at most, also where no index divides the log into pieces. */
const MAX_HELD_BYTES: number = 1024 * 1024;

/** An intact batch in memory. */
interface Piece {
  readonly bytes: Uint8Array;
  readonly at: number;
  readonly header: BatchHeader;
}

/** One pass backwards over one shard. */
export class BackwardCursor implements RecordSource {
  readonly view: ShardView;
  readonly #options: BackwardCursorOptions;
  /** Everything from here on was handed out, is held, or was passed over. */
  #upper: number;
  /** Exclusive bound of the batches that are held. */
  #bound: number;
  #pieceBytes = FIRST_PIECE_BYTES;
  /** What a piece holds, in the order of the log: the next to visit is the last. */
  #held: (Piece | GapEvent)[] = [];
  #decoder: RecordDecoder | undefined = undefined;
  /** Where the wanted records of the current batch start, and how many of them are still to be visited. */
  #positions = new Uint32Array(0);
  #left = 0;

  constructor(view: ShardView, options: BackwardCursorOptions) {
    this.view = view;
    this.#options = options;
    this.#upper = this.#bound = options.before;
  }

  get decoder(): RecordDecoder {
    return this.#decoder!;
  }

  next(): MaybePromise<boolean> {
    return this.nextInMemory() ? true : this.#nextBatch();
  }

  nextInMemory(): boolean {
    if (this.#left === 0) return false;
    const decoder = this.#decoder!;
    decoder.seek(this.#positions[--this.#left], 0);
    return decoder.next();
  }

  hasMore(): boolean {
    return false;
  }

  close(): Promise<void> {
    this.#held = [];
    this.#left = 0;
    this.#decoder = undefined;
    this.#upper = 0;
    // Between two steps no file is open.
    return Promise.resolve();
  }

  async #nextBatch(): Promise<boolean> {
    for (;;) {
      if (this.#options.isGivenUp?.()) return false;
      const last = this.#held.pop();
      if (last === undefined) {
        // Where a retention has got to is the end: what is older is gone.
        if (this.#upper <= Math.max(this.#options.from, this.view.publication.earliest)) return false;
        // Where its front is dropped meanwhile, this reader ends there.
        await besideDrops(this.view, () => this.#load());
      } else if ("error" in last) this.#tell(last);
      else {
        await this.#takeApart(last);
        if (this.nextInMemory()) return true;
      }
    }
  }

  /** Goes through the records of a batch once and remembers where the wanted ones are. */
  async #takeApart({ bytes, at, header }: Piece): Promise<void> {
    const { from, codecs, matches } = this.#options;
    let decoder = new RecordDecoder(bytes, at, codecs);
    // A count that lies takes no memory: no record is smaller than seven bytes.
    const most = Math.min(header.count, Math.ceil(decoder.bytes.length / 7));
    if (this.#positions.length < most) this.#positions = new Uint32Array(most);
    let count = 0;
    let readable = header.baseOffset;
    for (let position = decoder.position; count < most && decoder.next(); position = decoder.position) {
      const { offset } = decoder;
      if (offset >= this.#bound) break;
      readable = offset + 1;
      if (offset >= from && (matches === undefined || matches(decoder))) this.#positions[count++] = position;
    }
    const { fault } = decoder;
    if (fault !== undefined) {
      // One that stopped at a fault takes no step any more.
      decoder = new RecordDecoder(bytes, at, codecs);
      const to = Math.min(header.lastOffset, this.#bound - 1);
      if (readable <= to) {
        const gap = await this.#undecodable(header.baseOffset, Math.max(readable, from), to, fault);
        // What can be decoded comes behind the damage in this direction.
        this.#tell(gap);
      }
    }
    this.#decoder = decoder;
    this.#left = count;
  }

  async #undecodable(base: number, from: number, to: number, fault: string): Promise<GapEvent> {
    const { id, directory } = this.view;
    const file = logPath(directory, await this.view.baseOf(base) ?? base);
    const error = new LogError(
      "CORRUPT_BATCH",
      `Cannot read shard ${id}: the batch at offset ${base} is damaged: ${fault} (offsets ${from} to ${to}, ${file}); ` +
        'read on with onCorrupt: "skip"',
      { shard: id, file, range: [from, to] },
    );
    return { shard: id, from, to, error };
  }

  #tell(gap: GapEvent): void {
    if (gap.from > gap.to) return;
    if (this.#options.onGap === undefined) throw gap.error;
    this.#options.onGap(gap);
  }

  /** Reads the batches in front of `#upper`: a piece of the file, forwards, with the eyes of every other reader. */
  async #load(): Promise<void> {
    const upper = this.#bound = this.#upper;
    const { start, bytes } = await this.#pieceBefore(upper);
    const held: (Piece | GapEvent)[] = [];
    const onGap = ({ shard, from, to, error }: GapEvent): void => {
      const last = Math.min(to, upper - 1);
      if (from <= last) held.push({ shard, from, to: last, error });
    };
    const batches = new ShardBatches(this.view, { from: start, floats: true, onGap, chunkBytes: bytes, pooled: false });
    let size = 0;
    let first = 0;
    let isWhole = true;
    try {
      for (;;) {
        const step = batches.next();
        if (!(step instanceof Promise ? await step : step) || batches.header.baseOffset >= upper) break;
        if (this.#options.isGivenUp?.()) return;
        const { header } = batches;
        held.push({ bytes: batches.bytes, at: batches.at, header });
        size += header.bytes;
        // The oldest are let go: they are found again in the next piece.
        for (; size > MAX_HELD_BYTES && first < held.length - 1; first++) {
          size -= sizeOf(held[first]);
          isWhole = false;
        }
        if (first > 1024) first -= held.splice(0, first).length;
      }
    } finally {
      await batches.close();
    }
    this.#held = held.slice(first);
    this.#upper = isWhole ? start : this.#firstOf(start);
    this.#pieceBytes = Math.min(this.#pieceBytes * 2, MAX_PIECE_BYTES);
  }

  /** The first offset of what is held, no smaller than where the piece began. */
  #firstOf(start: number): number {
    const first = this.#held[0];
    return Math.max(start, "error" in first ? first.from : first.header.baseOffset);
  }

  /** Where a piece begins that ends at `upper`, and about how long it is, by the index. */
  async #pieceBefore(upper: number): Promise<{ start: number; bytes: number }> {
    const { view } = this;
    const from = Math.max(this.#options.from, view.publication.earliest);
    const base = await view.baseOf(upper - 1);
    if (base === undefined || base >= upper) return { start: from, bytes: HEADER_BYTES };
    const { samples, position } = await view.index(base);
    let at = samples.findOffset(upper - 1);
    if (at < 0) return { start: Math.max(base, from), bytes: MAX_PIECE_BYTES };
    const end = at + 1 < samples.length ? samples.sample(at + 1).position : position;
    while (at > 0 && end - samples.sample(at - 1).position <= this.#pieceBytes) at--;
    const sample = samples.sample(at);
    const bytes = Math.min(Math.max(end - sample.position, HEADER_BYTES), MAX_PIECE_BYTES);
    return { start: Math.max(sample.baseOffset, from), bytes };
  }
}

function sizeOf(held: Piece | GapEvent): number {
  return "error" in held ? 0 : held.header.bytes;
}
