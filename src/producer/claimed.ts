/**
 * Which offsets the records of a producer got.
 *
 * @module
 */

interface Piece {
  /** Number of its first record, counted by the producer in this shard. */
  readonly first: number;
  readonly count: number;
  /** Offset of that record. */
  readonly base: number;
}

/** So many claims are remembered at least. */
const MIN_PIECES = 4096;

/** The last claims of a producer in one shard, in order. */
export class ClaimedOffsets {
  readonly #pieces: Piece[] = [];

  /** Exclusive end of the newest claim. */
  end = 0;

  add(first: number, count: number, base: number): void {
    if (this.#pieces.length >= 2 * MIN_PIECES) this.#pieces.splice(0, MIN_PIECES);
    this.#pieces.push({ first, count, base });
    this.end = base + count;
  }

  /** The offset of a record; `undefined` where its claim is forgotten or not made yet. */
  find(record: number): number | undefined {
    const pieces = this.#pieces;
    let low = 0;
    let high = pieces.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (pieces[middle].first + pieces[middle].count <= record) low = middle + 1;
      else high = middle;
    }
    const piece = pieces[low];
    return piece === undefined || piece.first > record ? undefined : piece.base + record - piece.first;
  }
}
