/**
 * A log's view of itself: stats and guarantee.
 *
 * @module
 */
import type { Engine, Rung } from "../options.ts";
import { ShardWriter } from "../shard/shard_writer.ts";
import { findGuarantee, type Guarantee } from "./guarantee.ts";
import type { OpenedShard } from "./opened_shard.ts";
import { ConsumerSources, type CountedShard, type LogStats, shardStats, totalStats } from "./stats.ts";

/** What there is to look at. */
export interface InsideParts {
  readonly engine: Engine;
  readonly directory: string;
  readonly topic: string;
  readonly opened: readonly OpenedShard[];
  readonly durability: Rung;
  readonly maxBufferBytes: number;
}

/** See above. Nothing here runs unless somebody asks. */
export class LogInside {
  /** Whoever has consumers adds them here. */
  readonly consumers: ConsumerSources = new ConsumerSources();
  readonly #parts: InsideParts;
  readonly #counted: readonly CountedShard[];
  readonly #openedMs: number;
  #asked: Promise<Guarantee> | undefined = undefined;

  constructor(parts: InsideParts) {
    this.#parts = parts;
    this.#openedMs = parts.engine.clock.monotonic();
    this.#counted = parts.opened.map(({ shard, telemetry }) => ({ shard, telemetry, openedAt: shard.nextOffset }));
  }

  stats(): LogStats {
    const { directory, topic, engine, maxBufferBytes } = this.#parts;
    const shards = this.#counted.map(shardStats);
    return {
      directory,
      topic,
      openMs: engine.clock.monotonic() - this.#openedMs,
      maxBufferBytes,
      total: totalStats(this.#counted, shards),
      shards,
      consumers: this.consumers.collect(),
    };
  }

  /** Who asks while somebody else does gets the same answer: there is one file to measure with. */
  guarantee(): Promise<Guarantee> {
    this.#asked ??= this.#guarantee().finally(() => {
      this.#asked = undefined;
    });
    return this.#asked;
  }

  #guarantee(): Promise<Guarantee> {
    const { engine, directory, durability } = this.#parts;
    return findGuarantee({
      vfs: engine.vfs,
      clock: engine.clock,
      directory,
      rung: durability,
      writeModes: this.#counted.map(({ telemetry }) => telemetry.lastMode ?? "none"),
      mayWrite: this.#counted.some(({ shard }) => shard instanceof ShardWriter),
    });
  }
}
