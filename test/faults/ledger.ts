/** What was promised to whom, and whether a log keeps it. */
import assert from "node:assert/strict";
import type { Log } from "../../mod.ts";
import { placeOf } from "./payload.ts";

/** One life's records in a shard: they begin at `base`, and the next life's at their end. */
interface Life {
  readonly life: number;
  readonly base: number;
}

/** Records of one shard as far as anybody was told. */
class ShardLedger {
  lives: Life[] = [];
  /** Exclusive end of what must never vanish while the machine runs: acknowledged, recovered, or seen by anybody. */
  promised = 0;
  /** The same across a power loss. */
  durable = 0;
  /** Exclusive end of what was compared already. */
  verified = 0;

  /** The life a record must be of, and its number in it. */
  expected(offset: number): { life: number; sequence: number } | undefined {
    const found = this.lives.findLast((life) => life.base <= offset);
    return found === undefined ? undefined : { life: found.life, sequence: offset - found.base };
  }

  /** Everything known about an offset where something else was found. */
  describe(id: number, offset: number): string {
    const lives = this.lives.map(({ life, base }) => `${life} from ${base}`).join(", ");
    return `shard ${id}, offset ${offset}; promised ${this.promised}, on disk ${this.durable}, compared ${this.verified}; lives ${lives}`;
  }
}

/** Keeps account of one log. */
export class Ledger {
  readonly #shards: readonly ShardLedger[];
  /** Counts of what was checked. */
  records = 0;
  acknowledgements = 0;
  followed = 0;
  readonly verdicts: Map<string, number> = new Map();

  constructor(shards: number) {
    this.#shards = Array.from({ length: shards }, () => new ShardLedger());
  }

  /** An account of a copy of the log. */
  copy(): Ledger {
    const copy = new Ledger(this.#shards.length);
    for (const [id, shard] of this.#shards.entries()) {
      const { lives, promised, durable, verified } = shard;
      Object.assign(copy.#shards[id], { lives: [...lives], promised, durable, verified });
    }
    return copy;
  }

  /** Takes note of what a writing program said, in its order. */
  take(lines: readonly string[]): void {
    for (const line of lines) {
      const [word, ...rest] = line.split(" ");
      if (word === "open") this.#opened(Number(rest[0]), rest.slice(1));
      else if (word === "ack") this.#acknowledged(Number(rest[0]), Number(rest[1]), rest[2]);
      else assert.notEqual(word, "wrong", line);
    }
  }

  #opened(life: number, rest: readonly string[]): void {
    const count = this.#shards.length;
    for (const [id, shard] of this.#shards.entries()) {
      const base = Number(rest[id]);
      this.#noteVerdict(rest[count + id]);
      assert.ok(base >= shard.promised, `life ${life} begins shard ${id} at ${base}; ${shard.promised} were promised`);
      // Lives of which a power loss left nothing.
      while (shard.lives.length > 0 && shard.lives.at(-1)!.base >= base) shard.lives.pop();
      shard.lives.push({ life, base });
      shard.promised = base;
    }
  }

  #noteVerdict(verdict: string): void {
    assert.notEqual(verdict, "corrupt");
    this.verdicts.set(verdict, (this.verdicts.get(verdict) ?? 0) + 1);
  }

  #acknowledged(id: number, end: number, rung: string): void {
    const shard = this.#shards[id];
    shard.promised = Math.max(shard.promised, end);
    if (rung === "disk") shard.durable = Math.max(shard.durable, end);
    this.acknowledgements++;
  }

  /** Takes note of what a following program saw. */
  takeSeen(lines: readonly string[]): void {
    for (const line of lines) {
      const [word, ...numbers] = line.split(" ");
      assert.ok(word !== "wrong" && word !== "failed", line);
      if (word !== "saw") continue;
      const [id, offset, life, sequence, count] = numbers.map(Number);
      assert.deepEqual(this.#shards[id].expected(offset), { life, sequence }, `a follower was misled: ${line}`);
      this.#shards[id].promised = Math.max(this.#shards[id].promised, offset + count);
      this.followed += count;
    }
  }

  /** The power went: only what was acknowledged on `disk` has to be there. */
  powerLost(): void {
    for (const shard of this.#shards) {
      shard.promised = shard.durable;
      shard.verified = Math.min(shard.verified, shard.promised);
    }
  }

  /**
   * Compares a log with what was promised: every record there, in order, once, nothing foreign between or behind them. What
   * is there is promised from now on.
   */
  async check(log: Log): Promise<void> {
    if (log.recovery.length > 0) { for (const report of log.recovery) this.#noteVerdict(report.verdict); }
    for (const [id, shard] of this.#shards.entries()) {
      const { nextOffset } = log.shard(id);
      assert.ok(nextOffset >= shard.promised, `shard ${id} ends at ${nextOffset}; ${shard.promised} were promised`);
      let expected = shard.verified;
      for await (const record of log.read({ shard: id, from: shard.verified })) {
        assert.equal(record.offset, expected, `shard ${id} goes on at ${record.offset}`);
        const place = placeOf(record.value);
        assert.ok(place !== undefined, `the value at offset ${record.offset} of shard ${id} is damaged`);
        const { life, sequence, shard: of } = place;
        assert.equal(of, id, `the value at offset ${record.offset} belongs to shard ${of}`);
        assert.deepEqual({ life, sequence }, shard.expected(record.offset), shard.describe(id, record.offset));
        expected++;
        this.records++;
      }
      assert.equal(expected, nextOffset, `shard ${id} can be read to ${expected} only, not to ${nextOffset}`);
      shard.verified = shard.promised = nextOffset;
    }
  }

  /** Everything is to be compared again. */
  forgetVerified(): void {
    for (const shard of this.#shards) shard.verified = 0;
  }
}
