import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { OpenOptions, UserReadOptions } from "../../mod.ts";
import { announceSeed, makeRandom } from "../fixtures/seed.ts";
import { collect, fails, outcomeOf, take, until, useLog } from "../helpers.ts";

const seed = announceSeed("user");
const OPTIONS: OpenOptions = { shards: 3, batchBytes: 1000, segmentBytes: 10_000, topic: "log" };

/** Which offsets a read must answer, of those the user has. */
function expectedOf(offsets: readonly number[], options: UserReadOptions): number[] {
  const { last, from = 0, before = Infinity, reverse } = options;
  let chosen = offsets.filter((offset) => offset >= from && offset < before);
  if (last !== undefined) chosen = last === 0 ? [] : chosen.slice(-last);
  return reverse ? chosen.reverse() : chosen;
}

describe("a user's records", () => {
  it("are read, bounded and backwards as asked, and counted", () =>
    useLog(OPTIONS, async (log) => {
      const random = makeRandom(seed);
      const users = Array.from({ length: 8 }, (_, i) => `user-${i}`);
      const offsets = new Map<string, number[]>(users.map((user) => [user, []]));
      for (let i = 0; i < 700; i++) {
        const key = users[random(users.length)];
        offsets.get(key)!.push(take(log.shardFor(key), { key, value: `${key} ${i}` }));
        if (random(10) === 0) take(log.shardFor(key), { value: "of nobody" });
        if (random(50) === 0) await log.flush();
      }
      await log.flush();
      for (const user of users) {
        const own = offsets.get(user)!;
        const stream = log.user(user);
        assert.equal(await stream.count(), own.length);
        const head = await stream.head();
        assert.equal(head?.offset, own.at(-1));
        const end = log.shardFor(user).nextOffset;
        const some = Array.from({ length: 20 }, (): UserReadOptions => ({
          ...(random(2) === 0 ? { last: random(own.length + 5) } : {}),
          ...(random(2) === 0 ? { from: random(end) } : {}),
          ...(random(2) === 0 ? { before: random(end + 5) } : {}),
          ...(random(2) === 0 ? { reverse: true } : {}),
        }));
        for (const options of [{}, { last: 0 }, { last: 1 }, { reverse: true }, { last: 3, reverse: true }, ...some]) {
          const records = await collect(stream.read(options));
          const expected = expectedOf(own, options);
          assert.deepEqual(records.map(({ offset }) => offset), expected, `${user} ${JSON.stringify(options)}`);
          for (const record of records) {
            assert.equal(record.keyText(), user);
            assert.equal(record.shard, log.shardFor(user).id);
          }
        }
      }
    }));

  it("are those of exactly that key, text and bytes alike", () =>
    useLog({}, async (log) => {
      for (const key of ["a", "ab", "", "ä", "b"]) await log.append({ key, value: `to ${key}` });
      await log.append({ value: "no key" });
      for (const key of ["a", "", "ä"]) {
        for (const input of [key, new TextEncoder().encode(key)]) {
          const records = await collect(log.user(input).read());
          assert.deepEqual(records.map((record) => record.text()), [`to ${key}`]);
        }
      }
    }));

  it("are none for a user nobody knows", () =>
    useLog({ shards: 2 }, async (log) => {
      await log.append({ key: "a", value: "x" });
      const nobody = log.user("nobody");
      assert.equal(await nobody.count(), 0);
      assert.equal(await nobody.head(), undefined);
      assert.deepEqual(await collect(nobody.read({ last: 5 })), []);
    }));

  it("are followed, alone or behind the last ones", () =>
    useLog({ shards: 2 }, async (log) => {
      const append = async (key: string, value: string): Promise<void> => void await log.append({ key, value });
      for (let i = 0; i < 4; i++) await append("a", `a${i}`);
      await append("b", "b0");
      const controller = new AbortController();
      const { signal } = controller;
      const seen: Record<string, string[]> = { all: [], last: [], none: [] };
      const follow = async (name: string, options: UserReadOptions): Promise<void> => {
        for await (const record of log.user("a").read({ ...options, follow: true, signal })) {
          seen[name].push(record.text()!);
        }
      };
      const ended = Promise.allSettled([follow("all", {}), follow("last", { last: 2 }), follow("none", { last: 0 })]);
      await until(() => seen.all.length === 4 && seen.last.length === 2, "what is there");
      await append("b", "b1");
      await append("a", "a4");
      await until(() => seen.all.length === 5 && seen.last.length === 3 && seen.none.length === 1, "what came");
      assert.deepEqual(seen, { all: ["a0", "a1", "a2", "a3", "a4"], last: ["a2", "a3", "a4"], none: ["a4"] });
      controller.abort(new Error("enough"));
      const results = await ended;
      assert.ok(results.every((result) => result.status === "rejected" && result.reason.message === "enough"));
    }));

  it("that are followed end with return, also while waiting", () =>
    useLog({}, async (log) => {
      await log.append({ key: "a", value: "x" });
      const records = log.user("a").read({ follow: true });
      assert.equal((await records.next()).value.text(), "x");
      const step = records.next();
      assert.equal(await outcomeOf(step), "pending");
      const returned = records.return!();
      assert.equal(await outcomeOf(returned), "resolved");
      assert.deepEqual(await step, { done: true, value: undefined });
    }));

  it("cannot be asked for what makes no sense", () =>
    useLog({}, async (log) => {
      await log.append({ key: "a", value: "x" });
      const user = log.user("a");
      assert.throws(() => user.read({ follow: true, reverse: true }), TypeError);
      assert.throws(() => user.read({ follow: true, before: 5 }), TypeError);
      assert.throws(() => user.read({ last: -1 }), RangeError);
      assert.throws(() => user.read({ last: 0.5 }), RangeError);
      await fails("OFFSET_OUT_OF_RANGE", () => collect(user.read({ from: 7 })));
    }));
});
