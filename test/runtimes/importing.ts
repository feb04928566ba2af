/** Lets an importer run that is killed again and again, on each runtime in turn: every line is there exactly once, in order. */
import assert from "node:assert/strict";
import { type Child, RUNTIMES, start } from "./children.ts";

/** What is imported, and what happens meanwhile. */
export interface Importing {
  /** Where the log is, as `importer.ts` wants it. */
  readonly log: object;
  /** How many lines. */
  readonly count: number;
  /** So many lives end before all lines are there. */
  readonly rounds: number;
  /** Ends a life. */
  kill(child: Child, round: number): Promise<void>;
  /** All values that are in the log. */
  values(): Promise<string[]>;
}

/** See above. */
export async function importThroughKills({ log, count, rounds, kill, values }: Importing): Promise<void> {
  const request = { ...log, name: "lines", count };
  let before = 0;
  for (let round = 0; round <= rounds; round++) {
    const child = start("importer.ts", request, RUNTIMES[round % RUNTIMES.length]);
    const next = Number((await child.line("open")).slice(5));
    assert.ok(next >= before, `${before} lines were there, ${next} are known`);
    if (round < rounds) await kill(child, round);
    else {
      const { stderr } = await child.ended;
      assert.equal(child.lines.at(-1), `done ${count}`, stderr);
    }
    const lines = (await values()).filter((value) => value !== "other");
    assert.deepEqual(lines, Array.from({ length: lines.length }, (_, n) => `lines:${n}`));
    assert.ok(lines.length >= next);
    before = lines.length;
  }
  assert.equal(before, count);
}
