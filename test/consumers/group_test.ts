/** Members of one group in one thread, against a plain model; leases, clamps, gaps, options. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { memoryVfs } from "../../adapters/memory.ts";
import { assign, type Candidate } from "../../src/consumers/assignment.ts";
import type { Consumer } from "../../src/consumers/types.ts";
import type { LogRecord } from "../../src/read/stored_record.ts";
import { fails, outcomeOf, useLog } from "../helpers.ts";
import { drain, fill, openShards } from "./machine.ts";

/** A member and what it has asked for. */
interface Member {
  readonly consumer: Consumer;
  iterator: AsyncIterableIterator<LogRecord> | undefined;
  pending: Promise<void> | undefined;
}

type Step =
  | { readonly kind: "append"; readonly shard: number; readonly count: number }
  | { readonly kind: "next" | "commit" | "commitLast" | "break" | "close"; readonly member: number };

const SHARDS = 4;
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant("append" as const),
        shard: fc.nat(SHARDS - 1),
        count: fc.integer({ min: 1, max: 5 }),
      }),
    },
    {
      weight: 10,
      arbitrary: fc.record({
        kind: fc.constantFrom("next", "next", "next", "next", "commit", "commitLast", "break", "close" as const),
        member: fc.nat(2),
      }),
    },
  ),
  { minLength: 20, maxLength: 80, size: "max" },
) as fc.Arbitrary<Step[]>;

describe("a group", () => {
  it("delivers every record at least once, never one that is committed, whoever comes and goes", async () => {
    let delivered = 0;
    await fc.assert(
      fc.asyncProperty(steps, async (list) => {
        const log = await openShards(memoryVfs({ seed: 1 }), SHARDS);
        await fill(log, 6);
        const committed = Array.from({ length: SHARDS }, () => 0);
        const seen = new Set<string>();
        const last = new Map<Member, LogRecord>();
        const make = (): Member => ({
          consumer: log.consumer("g", { leaseMs: 600_000 }),
          iterator: undefined,
          pending: undefined,
        });
        const members = [make(), make(), make()];
        const note = (member: Member): void => {
          for (const [shard, next] of member.consumer.committed) {
            assert.ok(next >= committed[shard], `shard ${shard} goes back from ${committed[shard]} to ${next}`);
            committed[shard] = next;
          }
        };
        const turn = async (): Promise<void> => {
          for (let i = 0; i < 60; i++) await Promise.resolve();
        };
        const take = (member: Member): void => {
          const iterator = member.iterator ??= member.consumer[Symbol.asyncIterator]();
          member.pending ??= iterator.next().then((result) => {
            member.pending = undefined;
            if (result.done) return;
            const { shard, offset } = result.value;
            assert.ok(offset >= committed[shard], `${shard}/${offset} again, ${committed[shard]} is committed`);
            seen.add(`${shard}/${offset}`);
            last.set(member, result.value);
            delivered++;
          });
          member.pending.catch(() => {});
        };
        for (const step of list) {
          if (step.kind === "append") {
            for (let i = 0; i < step.count; i++) log.shard(step.shard).tryAppend({ value: "x" });
            await log.flush();
          } else {
            const member = members[step.member];
            if (step.kind === "next") take(member);
            else if (step.kind === "commit") {
              // What was delivered here may have gone to another member: that is told, and nothing else.
              await member.consumer.commit().catch((error: unknown) =>
                assert.equal((error as { code: string }).code, "CONFLICT")
              );
              note(member);
            } else if (step.kind === "commitLast") {
              const record = last.get(member);
              if (record === undefined) continue;
              await member.consumer.commit(record).catch((error: unknown) =>
                assert.equal((error as { code: string }).code, "CONFLICT")
              );
              note(member);
            } else if (step.kind === "break") {
              await member.iterator?.return?.();
              await member.pending;
              member.iterator = undefined;
            } else {
              await member.consumer.close();
              await member.pending;
              last.delete(member);
              members[step.member] = make();
            }
          }
          await turn();
        }
        for (const member of members) {
          await member.consumer.close();
          await member.pending;
        }
        const before = new Set(seen);
        for (const place of await drain(log, "g", true)) seen.add(place);
        for (const { id, written } of log.shards) {
          for (let offset = 0; offset < written; offset++) {
            assert.ok(seen.has(`${id}/${offset}`), `${id}/${offset} was never delivered`);
            if (offset < committed[id]) assert.ok(before.has(`${id}/${offset}`), `${id}/${offset} was skipped`);
          }
        }
        assert.equal((await log.consumers())[0].total, 0);
        await log.close();
      }),
      { numRuns: 80 },
    );
    assert.ok(delivered > 500, `${delivered}`);
  });

  it("deals shards out evenly, moves few, and to those that read", () => {
    const member = (isActive = true, ...accepts: number[]): Candidate => ({
      isActive,
      accepts: accepts.length === 0 ? undefined : new Set(accepts),
    });
    const [a, b, idle, picky] = [member(), member(), member(false), member(true, 3)];
    const none = [undefined, undefined, undefined, undefined];
    assert.deepEqual(assign(none, [a]), [a, a, a, a]);
    assert.equal(assign([a, a, a, a], [a, b]).filter((owner) => owner === b).length, 2);
    assert.deepEqual(assign([a, a, b, b], [a, b]), [a, a, b, b]);
    assert.deepEqual(assign([idle, idle, idle, idle], [idle]), [idle, idle, idle, idle]);
    assert.deepEqual(assign([idle, idle, idle, idle], [idle, a]), [a, a, a, a]);
    assert.deepEqual(assign(none, [picky]), [undefined, undefined, undefined, picky]);
    assert.deepEqual(assign([a, a, a, a], [a, picky]), [a, a, a, picky]);
    fc.assert(
      fc.property(
        fc.array(fc.nat(4), { minLength: 1, maxLength: 40 }),
        fc.integer({ min: 1, max: 5 }),
        (owners, count) => {
          const members = Array.from({ length: count }, () => member());
          const target = assign(owners.map((owner) => members[owner]), members);
          const loads = members.map((one) => target.filter((owner) => owner === one).length);
          assert.ok(Math.max(...loads) - Math.min(...loads) <= 1, String(loads));
        },
      ),
    );
  });

  it("hands a shard over once what was delivered of it is committed, or the lease has run out", () =>
    useLog({ shards: 2 }, async (log) => {
      for (const shard of log.shards) for (let i = 0; i < 3; i++) shard.tryAppend({ value: `${i}` });
      await log.flush();
      const first = log.consumer("g", { leaseMs: 150 });
      const one = first[Symbol.asyncIterator]();
      const held: LogRecord[] = [];
      for (let i = 0; i < 6; i++) held.push((await one.next()).value);
      const second = log.consumer("g");
      const two = second[Symbol.asyncIterator]();
      const next = two.next();
      assert.equal(await outcomeOf(next), "pending");
      const { value } = await next;
      assert.equal(value.offset, 0, "delivered again");
      const kept = held.filter(({ shard }) => shard !== value.shard);
      const error = await fails("CONFLICT", () => first.commit());
      assert.equal(error.shard, value.shard);
      assert.equal(first.committed.get(kept[0].shard), 3, "the other shard is committed all the same");
      await fails("CONFLICT", () => first.commit({ shard: value.shard, offset: 0 }));
      await second.commit(value);
      await second.close();
      await first.close();
    }));

  it("clamps an offset behind the end, in the file too, and says so", async () => {
    const vfs = memoryVfs({ seed: 4 });
    const log = await openShards(vfs, 1);
    await fill(log, 4, "disk");
    await fill(log, 6);
    assert.equal((await drain(log, "c", true)).length, 10);
    // The power loss takes the records, and not the cursor, which happens to be on the disk.
    const path = vfs.paths().map((one) => `/${one}`).find((one) => /cursor-c-[0-9a-f]{8}$/.test(one))!;
    const cursor = vfs.readWhole(path);
    const next = vfs.crash("power");
    next.writeWhole(path, cursor);
    const again = await openShards(next, 1);
    const end = again.shard(0).nextOffset;
    assert.ok(end < 10, "the power loss took something");
    await fill(again, 10);
    const consumer = again.consumer("c", { follow: false });
    const offsets: number[] = [];
    for await (const record of consumer) offsets.push(record.offset);
    assert.deepEqual(offsets, Array.from({ length: 10 }, (_, i) => end + i));
    assert.deepEqual(consumer.report, [{ consumer: "c", shard: 0, from: 10, to: end }]);
    await consumer.close();
    await again.close();
  });

  it("tells what retention has dropped, and goes on only where somebody listens", async () => {
    for (const from of ["earliest", "latest"] as const) {
      const log = await openShards(memoryVfs({ seed: 6 }), 1);
      await fill(log, 8);
      const first = log.consumer("c", { from });
      await first.commit({ shard: 0, offset: 0 });
      await first.close();
      const path = from === "latest" ? 8 : 5;
      await log.groups.reset("c", { to: 1, shard: 0, apply: true });
      // As if the files in front of offset 5 had gone meanwhile.
      Object.defineProperty(log.views[0].publication, "earliest", { value: 5 });
      const silent = log.consumer("c", { from, follow: false });
      const error = await fails("OFFSET_OUT_OF_RANGE", async () => {
        for await (const _ of silent) assert.fail("delivered");
      });
      assert.deepEqual(error.range, [5, 8]);
      await silent.close();
      const gaps: string[] = [];
      const onGap = (gap: { from: number; to: number }): void => void gaps.push(`${gap.from}-${gap.to}`);
      const told = log.consumer("c", { from, follow: false, onGap });
      const offsets: number[] = [];
      for await (const { offset } of told) offsets.push(offset);
      assert.deepEqual(gaps, [`1-${path - 1}`]);
      assert.deepEqual(offsets, from === "latest" ? [] : [5, 6, 7]);
      await told.commit();
      assert.equal((await told.lag()).total, 0);
      await told.close();
      await log.close();
    }
  });

  it("begins where it is told, once; and checks its options", () =>
    useLog({ shards: 2 }, async (log) => {
      for (let i = 0; i < 4; i++) log.shards[i % 2].tryAppend({ value: "old" });
      await log.flush();
      const latest = log.consumer("latest", { from: "latest", follow: false });
      assert.equal((await latest.lag()).total, 0);
      log.shard(0).tryAppend({ value: "new" });
      await log.flush();
      await latest.close();
      const again = log.consumer("latest", { from: "earliest", follow: false });
      const texts: (string | null)[] = [];
      for await (const record of again) texts.push(record.text());
      assert.deepEqual(texts, ["new"]);
      await again.close();
      const one = log.consumer("one", { shards: [1], follow: false });
      const shards: number[] = [];
      for await (const record of one) shards.push(record.shard);
      assert.deepEqual(shards, [1, 1]);
      await fails("CONFLICT", () => one.commit({ shard: 0, offset: 0 }));
      await fails("OFFSET_OUT_OF_RANGE", () => one.commit({ shard: 1, offset: 2 }));
      await assert.rejects(one.commit({ shard: 2, offset: 0 }), RangeError);
      await assert.rejects(one.commit({ shard: 1, offset: -1 }), TypeError);
      assert.throws(() => log.consumer("x", { shards: [2] }), RangeError);
      assert.throws(() => log.consumer("x", { leaseMs: 1 }), RangeError);
      assert.throws(() => log.consumer("x", { from: "middle" as "latest" }), RangeError);
      const iterator = one[Symbol.asyncIterator]();
      assert.throws(() => one[Symbol.asyncIterator](), TypeError);
      await iterator.return?.();
      await one.close();
    }));

  it("commits by itself what the loop has come back from", () =>
    useLog({}, async (log) => {
      for (let i = 0; i < 5; i++) log.shard(0).tryAppend({ value: `${i}` });
      await log.flush();
      const consumer = log.consumer("auto", { follow: false, autoCommit: true });
      await assert.rejects(async () => {
        for await (const { offset } of consumer) if (offset === 3) throw new Error("oh");
      });
      assert.equal(consumer.committed.get(0), 3);
      for await (const { offset } of consumer) assert.ok(offset >= 3);
      assert.equal(consumer.committed.get(0), 5);
      await consumer.close();
    }));

  it("ends by a signal, by close, and with its log", () =>
    useLog({}, async (log) => {
      const controller = new AbortController();
      const aborted = log.consumer("a", { signal: controller.signal })[Symbol.asyncIterator]().next();
      const reason = new Error("enough");
      setTimeout(() => controller.abort(reason), 5);
      await assert.rejects(aborted, reason);
      const closed = log.consumer("b");
      const waiting = closed[Symbol.asyncIterator]().next();
      setTimeout(() => void closed.close(), 5);
      assert.equal((await waiting).done, true);
      const last = log.consumer("c");
      const ending = last[Symbol.asyncIterator]().next();
      setTimeout(() => void log.close(), 5);
      assert.equal((await ending).done, true);
      await fails("CLOSED", () => last.commit());
      await last.close();
    }));
});
