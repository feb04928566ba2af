/** An importer that is killed again and again, on each runtime in turn: every line is there exactly once, in order. */
import { join } from "node:path";
import { describe, it } from "node:test";
import type { OpenOptions } from "../../mod.ts";
import { announceSeed, makeRandom } from "../fixtures/seed.ts";
import { reopen, useDirectory } from "../helpers.ts";
import { values } from "../idempotence/batches.ts";
import { whySkipped } from "./children.ts";
import { importThroughKills } from "./importing.ts";

const COUNT = 6000;
const ROUNDS = 12;
const MAX_LIFE_MS = 80;
const OPTIONS: OpenOptions = { topic: "log", segmentBytes: 20_000, flushIntervalMs: 1, stride: 20 };
const seed = announceSeed("importer");

describe("an importer that is killed at any moment", () => {
  it(
    "writes every record exactly once, on whichever runtime it goes on",
    { skip: whySkipped() },
    () =>
      useDirectory((parent) => {
        const directory = join(parent, "log");
        const random = makeRandom(seed);
        return importThroughKills({
          log: { directory, options: OPTIONS },
          count: COUNT,
          rounds: ROUNDS,
          kill: async (child) => {
            await new Promise((resolve) => setTimeout(resolve, random(MAX_LIFE_MS)));
            await child.kill();
          },
          values: () => reopen(directory, { readOnly: true }, (log) => values(log)),
        });
      }),
  );
});
