/**
 * Which offset of a log became which offset of a topic, and back.
 *
 * @module
 */

/** From here on, up to the next span, both count alike. */
export type Span = readonly [source: number, target: number];

/** The mapping of one shard: where both count differently from before, and nothing else, so it is as short as there are gaps. */
export class OffsetMapping {
  #spans: Span[];

  /** A mapping with these spans, in the order of their offsets. */
  constructor(spans: readonly Span[]) {
    this.#spans = [...spans];
  }

  /** Where both begin to count differently from before. */
  get spans(): readonly Span[] {
    return this.#spans;
  }

  /** The offset in the topic that the record with this offset of the log has, or would have if it came next. */
  toTarget(source: number): number {
    const [from, to] = this.#last(0, source);
    return to + (source - from);
  }

  /** The offset in the log of the record with this offset in the topic; for the topic's end the next one that is to be sent. */
  toSource(target: number): number {
    const [from, to] = this.#last(1, target);
    return from + (target - to);
  }

  /** True where offsets of the topic from `target` on can be mapped. */
  knows(target: number): boolean {
    return this.#spans.length > 0 && target >= this.#spans[0][1];
  }

  /** From `source` on both count from this pair on. Answers false where they did already. */
  begin(source: number, target: number): boolean {
    if (this.#spans.length > 0 && source >= this.#spans[0][0] && this.toTarget(source) === target) return false;
    // What was noted for offsets that are still to come was noted by an attempt that did not send them.
    this.#spans = this.#spans.filter(([from, to]) => from < source && to < target);
    this.#spans.push([source, target]);
    return true;
  }

  #last(which: 0 | 1, offset: number): Span {
    const spans = this.#spans;
    let low = 0;
    let high = spans.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (spans[middle][which] > offset) high = middle;
      else low = middle + 1;
    }
    return spans[Math.max(0, low - 1)] ?? [0, 0];
  }
}
