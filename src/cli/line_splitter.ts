/**
 * Cuts a stream of bytes into lines.
 *
 * @module
 */

const LF = 10;
const CR = 13;

/**
 * Takes chunks and gives lines: a line ends at LF, a CR before it is dropped, and the last line needs no LF. A line that lies
 * in one chunk is a view of it: it is good until the next chunk.
 */
export class LineSplitter {
  /** Lines given so far. */
  lines = 0;
  #chunk: Uint8Array = new Uint8Array(0);
  #at = 0;
  /** The beginning of a line whose end is in a later chunk. */
  #pieces: Uint8Array[] = [];
  #pieceBytes = 0;

  /** Bytes of the line that has begun and not ended; tells a line that will be too large before it is in memory. */
  get pendingBytes(): number {
    return this.#pieceBytes;
  }

  /** Takes the next chunk. The one before must be used up: `next` answered `undefined`. */
  push(chunk: Uint8Array): void {
    this.#chunk = chunk;
    this.#at = 0;
  }

  /** The next whole line, or `undefined` where another chunk is needed. */
  next(): Uint8Array | undefined {
    const chunk = this.#chunk;
    const start = this.#at;
    const end = chunk.indexOf(LF, start);
    if (end < 0) {
      if (start < chunk.length) this.#keep(chunk.slice(start));
      this.#at = chunk.length;
      return undefined;
    }
    this.#at = end + 1;
    this.lines++;
    if (this.#pieceBytes === 0) {
      return chunk.subarray(start, end > start && chunk[end - 1] === CR ? end - 1 : end);
    }
    this.#keep(chunk.subarray(start, end));
    const line = this.#join();
    return line[line.length - 1] === CR ? line.subarray(0, line.length - 1) : line;
  }

  /** After the last chunk: the line without an end, if there is one. */
  rest(): Uint8Array | undefined {
    if (this.#pieceBytes === 0) return undefined;
    this.lines++;
    return this.#join();
  }

  #keep(piece: Uint8Array): void {
    if (piece.length === 0) return;
    this.#pieces.push(piece);
    this.#pieceBytes += piece.length;
  }

  #join(): Uint8Array {
    const line = new Uint8Array(this.#pieceBytes);
    let at = 0;
    for (const piece of this.#pieces) {
      line.set(piece, at);
      at += piece.length;
    }
    this.#pieces = [];
    this.#pieceBytes = 0;
    return line;
  }
}
