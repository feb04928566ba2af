/**
 * Which transactions of a shard were committed: what Kafka's control batches say.
 *
 * @module
 */
import { noCodecs } from "../batch/codecs.ts";
import { type BatchHeader, CONTROL, readHeader, TRANSACTIONAL } from "../batch/format.ts";
import { RecordDecoder } from "../batch/record_decoder.ts";
import { readU16 } from "../bytes.ts";
import { logPath } from "../segment/names.ts";
import { walkBatches } from "../segment/walk.ts";
import type { ShardView } from "./shard_view.ts";

/** Whether records of transactions are shown that were aborted, or never ended. */
export type Isolation = "committed" | "uncommitted";

/** The ends of one producer's transactions, in order. */
interface Markers {
  readonly offsets: number[];
  readonly areCommits: boolean[];
}

const COMMIT = 1;
const NO_MARKERS: Markers = { offsets: [], areCommits: [] };

/**
 * The markers behind a reader's start. A transaction ends with the first marker of its producer behind it; where none is published it is
 * neither committed nor aborted.
 */
export class Transactions {
  readonly #view: ShardView;
  readonly #markers = new Map<number, Markers>();
  readonly #from: number;
  /** The segment that was walked last, and how far. */
  #base = -1;
  #position = 0;
  /** Where published data ended when it was walked last. */
  #end = -1;

  /** @param from The reader's first offset: markers before it are of no interest. */
  constructor(view: ShardView, from: number) {
    this.#view = view;
    this.#from = from;
  }

  /** Walks what was published since the last call. */
  async extend(): Promise<void> {
    const view = this.#view;
    const { nextOffset } = view.publication.end;
    if (this.#base < 0) this.#base = await view.baseOf(this.#from) ?? -1;
    for (const base of await view.bases()) {
      if (base < this.#base) continue;
      if (base > this.#base) this.#position = 0;
      this.#base = base;
      const limit = await view.limit(base);
      await walkBatches(view.vfs, logPath(view.directory, base), this.#position, limit, (bytes, at, position) => {
        const header = readHeader(bytes, at);
        this.#position = position + header.bytes;
        if ((header.attributes & CONTROL) !== 0) this.#note(header, bytes, at);
      });
    }
    this.#end = nextOffset;
  }

  /** True for a batch of a transaction that was aborted, or of which no end is published; `undefined` where markers are to be looked for. */
  hides(header: BatchHeader): boolean | undefined {
    if ((header.attributes & TRANSACTIONAL) === 0) return false;
    const { offsets, areCommits } = this.#markers.get(header.producerId) ?? NO_MARKERS;
    let low = 0;
    let high = offsets.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (offsets[middle] > header.lastOffset) high = middle;
      else low = middle + 1;
    }
    if (low < offsets.length) return !areCommits[low];
    return this.#end === this.#view.publication.end.nextOffset ? true : undefined;
  }

  #note(header: BatchHeader, bytes: Uint8Array, at: number): void {
    const decoder = new RecordDecoder(bytes, at, noCodecs);
    // Compaction may have taken the marker's record away, and other kinds of control records have no meaning here.
    if (!decoder.next() || decoder.keyBytes < 4) return;
    const type = readU16(decoder.bytes, decoder.keyStart + 2);
    if (type > COMMIT) return;
    let markers = this.#markers.get(header.producerId);
    if (markers === undefined) this.#markers.set(header.producerId, markers = { offsets: [], areCommits: [] });
    markers.offsets.push(header.lastOffset);
    markers.areCommits.push(type === COMMIT);
  }
}
