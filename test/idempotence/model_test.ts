/** Producers against a plain list of what the log holds: whatever is sent, in whichever order, over restarts, crashes and rolls. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type ConflictReason, LogError } from "../../mod.ts";
import { openMemoryLog } from "../../testing.ts";
import { produced, send, values } from "./batches.ts";
import { expectedOf, type ModelBatch, MODULUS } from "./kafka_rules.ts";

const step = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant("send" as const),
      id: fc.constantFrom(0, 1, 2 ** 52 + 7),
      // 0: the next one. Otherwise one of those before, or a place around it.
      back: fc.constantFrom(0, 0, 0, 0, 1, 2, 3, 5, 6, 7),
      shift: fc.constantFrom(0, 0, 0, 0, 0, 1, -1, 3),
      count: fc.integer({ min: 1, max: 4 }),
      epoch: fc.constantFrom(0, 0, 0, 0, 0, 0, 1, -1),
    }),
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
              const last = batches.at(-1);
              const again = s.back > 0 ? batches.at(-s.back) : undefined;
              const epoch = Math.max(0, (again ?? last ?? { epoch: 0 }).epoch + s.epoch);
              const next = last === undefined ? first : s.epoch > 0 ? 0 : (last.sequence + last.count) % MODULUS;
              const sequence = ((again?.sequence ?? next) + s.shift + MODULUS) % MODULUS;
              const count = again?.count ?? s.count;
              const expected = expectedOf(batches, epoch, sequence, count);
              let answer: number | ConflictReason | undefined;
              try {
                answer = await send(log.shard(0), produced(s.id, epoch, sequence, count));
              } catch (error) {
                if (!(error instanceof LogError)) throw error;
                answer = error.reason;
              }
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
