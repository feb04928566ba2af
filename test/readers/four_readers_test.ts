/**
 * Four readers in four processes, on all runtimes, follow one writer in a fifth: each gets every message once, in order, across rolls.
 * READERS_SECONDS and READERS_RATE (messages a second) make it long and hard: 30 and 1000000.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, it } from "node:test";
import { useDirectory } from "../helpers.ts";
import { type Child, type RuntimeName, start, whySkipped } from "../runtimes/children.ts";

const SECONDS = Number(process.env.READERS_SECONDS ?? 3);
const RATE = Number(process.env.READERS_RATE ?? 50_000);
const READERS: readonly RuntimeName[] = ["node", "bun", "deno", "bun"];
const SHARDS = 2;
/** With what a record takes on disk there are so many segments, roughly. */
const SEGMENTS = 20;
const RECORD_BYTES = 25;
const LIFE_MS = SECONDS * 4000 + 60_000;

describe("four readers in four processes", () => {
  it(
    `get every message of ${SECONDS} s at ${RATE}/s once, in order`,
    { skip: whySkipped() },
    () =>
      useDirectory(async (directory) => {
        const segmentBytes = Math.max(65_536, Math.ceil(SECONDS * RATE * RECORD_BYTES / SEGMENTS));
        const request = { directory, shards: SHARDS, seconds: SECONDS, rate: RATE, segmentBytes };
        const writer = start("../readers/writer.ts", request, "node", LIFE_MS);
        const children: Child[] = [writer];
        try {
          await writer.line("open");
          const readers = READERS.map((runtime) => start("../readers/reader.ts", { directory }, runtime, LIFE_MS));
          children.push(...readers);
          await Promise.all(readers.map((reader) => reader.line("ready")));
          writer.send("go");
          const { ends, rolls } = JSON.parse((await writer.line("ended ")).slice("ended ".length));
          for (const reader of readers) reader.send(JSON.stringify(ends));
          const seen = await Promise.all(readers.map((reader) => reader.line("seen ")));
          writer.send("close");
          assert.equal((await writer.ended).exitCode, 0);
          const total = ends.reduce((sum: number, end: number) => sum + end, 0);
          console.log(`${total} messages in ${SECONDS} s to ${READERS.length} readers, ${rolls} rolls`);
          assert.ok(total >= SECONDS * RATE * 0.5, `the writer came to ${total} only`);
          assert.ok(rolls >= 5, `${rolls} rolls`);
          for (const [i, line] of seen.entries()) {
            assert.deepEqual(JSON.parse(line.slice("seen ".length)), { next: ends, wrong: [] }, `${READERS[i]} ${i}`);
          }
        } finally {
          await Promise.all(children.map((child) => child.kill()));
        }
      }),
  );
});
