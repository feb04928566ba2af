/** A consumer of a log in memory: it ends with its machine, and goes on in the next life. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CrashError, openMemoryLog } from "../../testing.ts";

describe("a consumer of a log in memory", () => {
  it("goes on behind what it had committed, however the machine ended", async () => {
    const log = await openMemoryLog({ seed: 3 });
    for (let i = 0; i < 5; i++) await log.append({ value: `${i}` }, { durability: "disk" });
    const consumer = log.consumer("mailer", { follow: false });
    for await (const record of consumer) if (record.offset === 2) await consumer.commit(record);
    const follower = log.consumer("other")[Symbol.asyncIterator]();
    for (let i = 0; i < 5; i++) assert.equal((await follower.next()).value.offset, i);
    const waiting = follower.next();
    const [again] = await Promise.all([log.crash("process"), assert.rejects(waiting, CrashError)]);
    await assert.rejects(consumer.commit(), CrashError);
    const next = again.consumer("mailer", { follow: false });
    const offsets: number[] = [];
    for await (const record of next) offsets.push(record.offset);
    assert.deepEqual(offsets, [3, 4]);
    await next.commit();
    await next.close();
    assert.deepEqual((await again.consumers()).map(({ name, total }) => [name, total]), [["mailer", 0], ["other", 5]]);
    await again.close();
  });
});
