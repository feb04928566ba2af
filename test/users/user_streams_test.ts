/** Users' streams against a plain model: random users, strides, segments, evictions, reopenings, deleted indexes, compressed blobs. */
import assert from "node:assert/strict";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import fc from "fast-check";
import { BatchBuilder, type Log, openLog, type OpenOptions, type UserReadOptions } from "../../mod.ts";
import { announceSeed } from "../fixtures/seed.ts";
import { collect, take, useDirectory } from "../helpers.ts";

const seed = announceSeed("user streams");

/** Files of the log's index of users, and all `.idx` files. */
function indexFiles(directory: string, name: RegExp): string[] {
  return readdirSync(directory, { recursive: true }).map(String).filter((path) => name.test(path));
}

const PADDING = " ".repeat(60);
const USER_TABLE = /users-\d+-\d+\.idx$/;

type Step =
  | { kind: "append"; users: number[] }
  | { kind: "batch"; users: number[] }
  | { kind: "flush" }
  | { kind: "reopen"; delete: "nothing" | "users" | "all" | "one"; readOnly: boolean }
  | { kind: "follow"; user: number; last: number | undefined; users: number[] }
  | { kind: "check"; user: number; options: UserReadOptions };

const user = fc.oneof({ weight: 3, arbitrary: fc.integer({ min: 0, max: 3 }) }, fc.integer({ min: 0, max: 60 }));
const users = fc.array(user, { minLength: 1, maxLength: 200, size: "max" });
const bounds = fc.record({
  last: fc.option(fc.integer({ min: 0, max: 40 }), { nil: undefined }),
  from: fc.option(fc.integer({ min: 0, max: 4000 }), { nil: undefined }),
  before: fc.option(fc.integer({ min: 0, max: 4000 }), { nil: undefined }),
  reverse: fc.boolean(),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("append" as const), users }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("batch" as const), users }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("flush" as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("reopen" as const),
      delete: fc.constantFrom("nothing" as const, "users" as const, "all" as const, "one" as const),
      readOnly: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("follow" as const),
      user,
      last: fc.option(fc.integer({ min: 0, max: 20 }), { nil: undefined }),
      users,
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("check" as const), user, options: bounds }) },
);

/** What a read must answer, of the offsets that the user has. */
function expectedOf(offsets: readonly number[], end: number, options: UserReadOptions): number[] {
  const { last, from = 0, before = Infinity, reverse } = options;
  let chosen = offsets.filter((offset) => offset >= from && offset < before && offset < end);
  if (last !== undefined) chosen = last === 0 ? [] : chosen.slice(-last);
  return reverse ? [...chosen].reverse() : chosen;
}

function defined(options: UserReadOptions, end: number): UserReadOptions {
  const chosen = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  if (chosen.from !== undefined) chosen.from = Math.min(Number(chosen.from), end);
  return chosen;
}

async function check(log: Log, model: Map<number, number[]>, user: number, options: UserReadOptions): Promise<void> {
  const end = log.shards[0].written;
  const stream = log.user(`user-${user}`);
  const own = model.get(user) ?? [];
  const asked = defined(options, end);
  const records = await collect(stream.read(asked));
  assert.deepEqual(records.map(({ offset }) => offset), expectedOf(own, end, asked), JSON.stringify({ user, asked }));
  for (const record of records) assert.equal(record.text(), `${user}: ${record.offset}${PADDING}`);
}

/** Follows a user over what `append` adds: exactly what is expected comes, and then nothing. */
async function follow(
  log: Log,
  model: Map<number, number[]>,
  { user, last }: { user: number; last: number | undefined },
  append: () => void,
): Promise<void> {
  await log.flush();
  const stop = new AbortController();
  const { signal } = stop;
  // Only the first step looks where "the last" begin: where it has nothing to show, nobody knows when it did.
  if (last === 0 || !model.has(user)) last = undefined;
  const reading = log.user(`user-${user}`).read({ follow: true, signal, ...(last !== undefined && { last }) });
  const before = expectedOf(model.get(user) ?? [], Infinity, { last });
  const seen: number[] = [];
  const step = async (): Promise<void> => {
    const { done, value } = await reading.next();
    assert.notEqual(done, true);
    assert.equal(value.text(), `${user}: ${value.offset}${PADDING}`);
    seen.push(value.offset);
  };
  // Where nothing is there yet the first step waits for what is appended.
  for (let i = 0; i < before.length; i++) await step();
  const known = model.get(user)?.length ?? 0;
  const first = before.length === 0 ? step() : undefined;
  append();
  await log.flush();
  const later = (model.get(user) ?? []).slice(known);
  if (first !== undefined && later.length > 0) await first;
  while (seen.length < before.length + later.length) await step();
  assert.deepEqual(seen, [...before, ...later], JSON.stringify({ user, last }));
  const none = first !== undefined && later.length === 0 ? first : reading.next();
  stop.abort();
  await assert.rejects(Promise.resolve(none), { name: "AbortError" });
}

describe("users' streams", () => {
  it("answer as a plain model does, whatever becomes of the index", async () => {
    let tables = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          userStride: fc.constantFrom(1, 2, 7, 64),
          userTableBytes: fc.constantFrom(4096, 1 << 20),
          indexLagBytes: fc.constantFrom(4096, 10_000, 1 << 20),
          segmentBytes: fc.constantFrom(2000, 20_000, 1 << 20),
          batchBytes: fc.constantFrom(200, 1000, 65_536),
        }),
        fc.array(step, { minLength: 5, maxLength: 40, size: "max" }),
        (options: OpenOptions, steps) =>
          useDirectory(async (directory) => {
            const model = new Map<number, number[]>();
            let next = 0;
            const note = (user: number): string => {
              const own = model.get(user) ?? [];
              model.set(user, [...own, next]);
              return `${user}: ${next++}${PADDING}`;
            };
            let log = await openLog(directory, { ...options, topic: "log" });
            try {
              for (const step of steps) {
                if (step.kind === "append") {
                  for (const user of step.users) {
                    take(log.shards[0], { key: `user-${user}`, value: note(user) });
                  }
                } else if (step.kind === "batch") {
                  const builder = new BatchBuilder();
                  for (const user of step.users) builder.add({ key: `user-${user}`, value: note(user) });
                  log.shards[0].tryAppendBatch(builder.finish());
                } else if (step.kind === "follow") {
                  await follow(log, model, step, () => {
                    for (const user of step.users) take(log.shards[0], { key: `user-${user}`, value: note(user) });
                  });
                } else if (step.kind === "flush") await log.flush();
                else if (step.kind === "check") {
                  await log.flush();
                  await check(log, model, step.user, step.options);
                } else {
                  await log.close();
                  const name = step.delete === "all" ? /\.idx$/ : USER_TABLE;
                  const files = indexFiles(directory, name);
                  tables += indexFiles(directory, USER_TABLE).length;
                  if (step.delete !== "nothing") {
                    for (const file of step.delete === "one" ? files.slice(0, 1) : files) rmSync(join(directory, file));
                  }
                  if (step.readOnly) {
                    log = await openLog(directory, { readOnly: true });
                    for (const user of [0, 1, 17]) await check(log, model, user, { last: 5 });
                    await log.close();
                  }
                  log = await openLog(directory, { ...options, topic: "log" });
                }
              }
              await log.flush();
              for (const user of [...model.keys(), 99]) {
                await check(log, model, user, {});
                const own = model.get(user) ?? [];
                assert.equal(await log.user(`user-${user}`).count(), own.length);
                assert.equal((await log.user(`user-${user}`).head())?.offset, own.at(-1));
              }
            } finally {
              await log.close();
            }
          }),
      ),
      { seed, numRuns: 25 },
    );
    assert.ok(tables > 20, `only ${tables} tables were seen`);
  });
});
