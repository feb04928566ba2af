/** Producers against a plain list of what the log holds: whatever is sent, in whichever order, over restarts, crashes and rolls. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { openMemoryLog } from "../../testing.ts";
import { answerOf, produced, values } from "./batches.ts";
import { chosenBatch, expectedOf, type ModelBatch, MODULUS, sendingsOf } from "./kafka_rules.ts";

const step = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({ kind: fc.constant("send" as const), ...sendingsOf([0, 1, 2 ** 52 + 7]) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("plain" as const), bytes: fc.integer({ min: 0, max: 400 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("flush" as const), rung: fc.constantFrom("os", "disk") }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("end" as const), how: fc.constantFrom("close", "process", "power") }),
  },
);

describe("producers and a plain list", () => {
  it("agree", async () => {
    let answers = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 10, maxLength: 60, size: "max" }),
        fc.integer({ min: 1, max: 1e6 }),
        fc.constantFrom(0, MODULUS - 10),
        async (steps, seed, first) => {
          let log = await openMemoryLog({ seed, segmentBytes: 1024, flushIntervalMs: Infinity });
          const model = new Map<number, ModelBatch[]>();
          const texts: string[] = [];
          for (const s of steps) {
            if (s.kind === "plain") {
              log.shard(0).tryAppend({ value: "p".repeat(s.bytes) });
              texts.push("p".repeat(s.bytes));
            } else if (s.kind === "flush") await log.flush(s.rung as "os" | "disk");
            else if (s.kind === "end") {
              if (s.how === "close") {
                await log.close();
                log = await log.reopen();
              } else log = await log.crash(s.how as "process" | "power", seed);
              const found = await values(log);
              assert.deepEqual(found, texts.slice(0, found.length));
              texts.length = found.length;
              for (const batches of model.values()) {
                while (batches.length > 0 && batches.at(-1)!.base >= found.length) batches.pop();
              }
            } else {
              let batches = model.get(s.id);
              if (batches === undefined) model.set(s.id, batches = []);
              const { epoch, sequence, count } = chosenBatch(batches, s, first);
              const expected = expectedOf(batches, epoch, sequence, count);
              const answer = await answerOf(log.shard(0), produced(s.id, epoch, sequence, count));
              answers++;
              assert.equal(answer, expected === -1 ? texts.length : expected);
              if (expected !== -1) continue;
              batches.push({ epoch, sequence, count, base: texts.length });
              for (let n = 0; n < count; n++) texts.push(`${s.id}/${epoch}/${sequence + n}`);
            }
          }
          await log.close();
          log = await log.reopen();
          assert.deepEqual(await values(log), texts);
          await log.close();
        },
      ),
      { numRuns: 80 },
    );
    assert.ok(answers > 1000);
  });
});
