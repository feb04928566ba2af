/** An importer that is killed again and again, on each runtime in turn: every line is there exactly once, in order. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { OpenOptions } from "../../mod.ts";
import { announceSeed, makeRandom } from "../fixtures/seed.ts";
import { reopen, useDirectory } from "../helpers.ts";
import { RUNTIMES, start, whySkipped } from "./children.ts";

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
      useDirectory(async (parent) => {
        const directory = join(parent, "log");
        const random = makeRandom(seed);
        const request = { directory, options: OPTIONS, name: "lines", count: COUNT };
        let before = 0;
        for (let round = 0;; round++) {
          const child = start("importer.ts", request, RUNTIMES[round % RUNTIMES.length]);
          const next = Number((await child.line("open")).slice(5));
          assert.ok(next >= before, `${before} lines were there, ${next} are known`);
          if (round < ROUNDS) {
            await new Promise((resolve) => setTimeout(resolve, random(MAX_LIFE_MS)));
            await child.kill();
          } else {
            const { stderr } = await child.ended;
            assert.equal(child.lines.at(-1), `done ${COUNT}`, stderr);
          }
          const lines = await reopen(directory, { readOnly: true }, async (log) => {
            const found: string[] = [];
            for await (const record of log.read()) if (record.text() !== "other") found.push(record.text()!);
            return found;
          });
          assert.deepEqual(lines, Array.from({ length: lines.length }, (_, n) => `lines:${n}`));
          assert.ok(lines.length >= next);
          before = lines.length;
          if (round >= ROUNDS) break;
        }
        assert.equal(before, COUNT);
      }),
  );
});
