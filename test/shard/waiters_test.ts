/** Who waits for an offset: resolved in order, rejected together, gone when given up. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { OffsetWaiters } from "../../src/shard/waiters.ts";

/** What becomes of a waiter, as it happens. */
function follow(waiting: Promise<void>, name: string, log: string[]): Promise<void> {
  return waiting.then(() => void log.push(name), (reason) => void log.push(`${name}: ${String(reason)}`));
}

describe("waiters for offsets", () => {
  it("are resolved up to the end that is reached, in the order of their offsets, whenever they came", async () => {
    const waiters = new OffsetWaiters();
    const log: string[] = [];
    const all = [5, 9, 3, 5, 7].map((end) => follow(waiters.wait(end), String(end), log));
    waiters.reach(2);
    assert.equal(waiters.isEmpty, false);
    waiters.reach(5);
    await Promise.resolve();
    await Promise.resolve();
    assert.deepEqual(log, ["3", "5", "5"]);
    // Behind those that are done.
    const late = follow(waiters.wait(8), "8", log);
    waiters.reach(8);
    waiters.fail("broken");
    await Promise.all([...all, late]);
    assert.deepEqual(log, ["3", "5", "5", "7", "8", "9: broken"]);
    assert.equal(waiters.isEmpty, true);
  });

  it("that are given up take nobody with them", async () => {
    const waiters = new OffsetWaiters();
    const log: string[] = [];
    const [first, second, third] = [new AbortController(), new AbortController(), new AbortController()];
    const all = [
      follow(waiters.wait(1, first.signal), "first", log),
      follow(waiters.wait(2, second.signal), "second", log),
      follow(waiters.wait(3, third.signal), "third", log),
      follow(waiters.wait(3), "fourth", log),
    ];
    waiters.reach(1);
    second.abort("enough");
    // Done already: it takes no other one's place.
    first.abort("late");
    waiters.reach(3);
    third.abort("late");
    await Promise.all(all);
    assert.deepEqual(log.sort(), ["first", "fourth", "second: enough", "third"]);
    assert.equal(waiters.isEmpty, true);
  });

  it("that come with a signal that is over are rejected at once, and those that fail hear of no abort any more", async () => {
    const waiters = new OffsetWaiters();
    const log: string[] = [];
    const over = new AbortController();
    over.abort("over");
    const live = new AbortController();
    const all = [
      follow(waiters.wait(1, over.signal), "over", log),
      follow(waiters.wait(1, live.signal), "live", log),
    ];
    assert.equal(waiters.isEmpty, false);
    waiters.fail("broken");
    live.abort("late");
    await Promise.all(all);
    assert.deepEqual(log.sort(), ["live: broken", "over: over"]);
  });

  it("are many: those that are done are let go of", async () => {
    const waiters = new OffsetWaiters();
    const all = Array.from({ length: 3000 }, (_, i) => waiters.wait(i + 1));
    for (const end of [1000, 1025, 2500, 3000]) waiters.reach(end);
    await Promise.all(all);
    assert.equal(waiters.isEmpty, true);
  });
});
