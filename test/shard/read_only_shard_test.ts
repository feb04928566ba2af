/** A shard that can only be read: what it says of records that are there, and that it takes none. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { emptyEnd } from "../../src/anchor/end.ts";
import type { Publication } from "../../src/shard/publication.ts";
import { ReadOnlyShard } from "../../src/shard/read_only_shard.ts";
import { readOnlyError } from "../../src/shard/refusals.ts";
import { fails } from "../helpers.ts";

function shardWith(written: number, synced: number): ReadOnlyShard {
  const publication = { earliest: 0, end: { ...emptyEnd(0), nextOffset: written } } as unknown as Publication;
  return new ReadOnlyShard(0, publication, synced, readOnlyError(0, "the test says so"));
}

describe("a shard that can only be read", () => {
  it("knows which records are written and which are synced", async () => {
    const shard = shardWith(10, 6);
    assert.deepEqual([shard.nextOffset, shard.written, shard.synced, shard.state], [10, 10, 6, "readOnly"]);
    await shard.acknowledged(9);
    await shard.acknowledged(5, "disk");
    // Nobody here would ever sync it.
    await fails("READ_ONLY", () => shard.acknowledged(6, "disk"));
    assert.equal(shardWith(3, 6).synced, 3, "what is not published is not synced");
  });

  it("refuses to wait for what was never taken, and says what there is", async () => {
    await assert.rejects(shardWith(10, 6).acknowledged(10), { name: "RangeError", message: /0 to 9/ });
    await assert.rejects(shardWith(10, 6).acknowledged(-1), RangeError);
    await assert.rejects(shardWith(0, 0).acknowledged(0), { name: "RangeError", message: /none so far/ });
    await assert.rejects(shardWith(10, 6).acknowledged(NaN), RangeError);
  });

  it("takes nothing, flushes nothing, and after it was closed says that it is", async () => {
    const shard = shardWith(10, 6);
    for (
      const call of [() => shard.tryAppend(), () => shard.tryAppendBatch(), () => shard.writable(), () => shard.flush()]
    ) {
      await fails("READ_ONLY", call);
    }
    shard.close();
    assert.equal(shard.state, "closed");
    await fails("CLOSED", () => shard.tryAppend());
    await fails("CLOSED", () => shard.acknowledged(6, "disk"));
  });
});
