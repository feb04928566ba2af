/** Mistakes in reading and following. */
import { type Bug, bug } from "./bug.ts";

const BATCHES = "src/read/shard_batches.ts";

export const READING: readonly Bug[] = [
  bug(
    "reader-past-published-end",
    "A reader goes on to the end of the file, through what is still being written.",
    "src/read/shard_view.ts",
    "if (base === end.segment) return end.position;",
    "void end;",
  ),
  bug(
    "reader-takes-any-offset",
    "A reader takes a batch with any base offset for the next one.",
    BATCHES,
    "if (this.view.holes ? header.baseOffset < this.#expected : header.baseOffset !== this.#expected) {",
    "if (header.baseOffset < 0) {",
  ),
  bug(
    "segment-limit-of-yesterday",
    "A follower at the end of a segment takes the end that is published now for the one of its limit.",
    BATCHES,
    "if (this.#base === segment) return false;",
    "if (this.#base === view.publication.end.segment || segment < 0) return false;",
  ),
  bug(
    "skipped-without-a-word",
    "A reader that skips damage tells nobody.",
    BATCHES,
    "this.#options.onGap({ shard: this.view.id, from, to, error });",
    "",
  ),
];
