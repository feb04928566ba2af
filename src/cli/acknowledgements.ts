/**
 * Prints `shard offset` for every record once it is acknowledged.
 *
 * @module
 */
import type { Rung } from "../options.ts";
import type { Shard } from "../shard/shard_types.ts";
import type { Output } from "./output.ts";

/** Acknowledgements are put out in pieces of so many lines. */
const LINES_A_PIECE = 4096;

/**
 * This program is the only writer, so what a shard has handed out since the opening is one range of offsets: a counter a
 * shard is all there is to remember. Each shard has a task of its own while something is not acknowledged.
 */
export class Acknowledgements {
  /** Rejects where the output fails; it never resolves. */
  readonly failed: Promise<never>;
  readonly #shards: readonly Shard[];
  readonly #rung: Rung;
  readonly #output: Output;
  readonly #json: boolean;
  /** By shard: offsets before it are printed. */
  readonly #printed: Float64Array;
  readonly #tasks: (Promise<void> | undefined)[];
  #fail: (error: unknown) => void = () => {};

  constructor(shards: readonly Shard[], rung: Rung, output: Output, json: boolean) {
    this.#shards = shards;
    this.#rung = rung;
    this.#output = output;
    this.#json = json;
    this.#printed = Float64Array.from(shards, (shard) => shard.nextOffset);
    this.#tasks = shards.map(() => undefined);
    this.failed = new Promise((_, reject) => this.#fail = reject);
    this.failed.catch(() => {});
  }

  /** A record went to this shard. */
  expect(id: number): void {
    this.#tasks[id] ??= this.#follow(this.#shards[id]);
  }

  /** Resolves once everything that is acknowledged is printed and nothing more will be. */
  async drained(): Promise<void> {
    await Promise.all(this.#tasks);
    await Promise.race([this.#output.flush(), this.failed]);
  }

  async #follow(shard: Shard): Promise<void> {
    try {
      while (this.#printed[shard.id] < shard.nextOffset) {
        try {
          await shard.acknowledged(this.#printed[shard.id], this.#rung);
        } catch {
          // The shard failed, which whoever appends tells. What it had acknowledged before stays acknowledged.
          await this.#print(shard);
          return;
        }
        await this.#print(shard);
      }
      this.#tasks[shard.id] = undefined;
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Prints what is acknowledged now; it has left the process when this resolves. */
  async #print(shard: Shard): Promise<void> {
    const { id } = shard;
    const end = this.#rung === "disk" ? shard.synced : shard.written;
    for (let offset = this.#printed[id]; offset < end;) {
      const stop = Math.min(end, offset + LINES_A_PIECE);
      let text = "";
      for (; offset < stop; offset++) text += this.#json ? `{"shard":${id},"offset":${offset}}\n` : `${id} ${offset}\n`;
      const added = this.#output.text(text);
      if (added instanceof Promise) await added;
    }
    this.#printed[id] = Math.max(this.#printed[id], end);
    await this.#output.flush();
  }
}
