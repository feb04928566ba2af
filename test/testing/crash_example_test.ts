/** The example keeps its word: the right program survives every seed, and each wrong one is found, at the same seed everywhere. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { crashTest, type Mistake } from "../../examples/crash_test.ts";

/** So many seeds find each mistake. */
const SEEDS = 200;
/** So many find nothing in the right program; fewer where time is better spent elsewhere. */
const RIGHT_SEEDS = "Bun" in globalThis || "Deno" in globalThis ? 40 : SEEDS;

/** The first seed that finds a mistake, and how it shows. */
async function firstFound(mistake: Mistake, seeds: number): Promise<{ seed: number; message: string } | undefined> {
  for (let seed = 1; seed <= seeds; seed++) {
    try {
      await crashTest(seed, mistake);
    } catch (error) {
      return { seed, message: (error as Error).message };
    }
  }
  return undefined;
}

describe("the crash test of the outbox", () => {
  it(`finds nothing wrong with the right program in ${RIGHT_SEEDS} seeds`, async () => {
    assert.equal(await firstFound("none", RIGHT_SEEDS), undefined);
  });

  for (const mistake of ["hasty", "premature"] as const) {
    it(`finds the ${mistake} program, and its seed finds it again`, async () => {
      const found = await firstFound(mistake, SEEDS);
      assert.match(found?.message ?? "not found", /^"order .+" was accepted and never packed$/);
      await assert.rejects(crashTest(found!.seed, mistake), { message: found!.message });
    });
  }
});
