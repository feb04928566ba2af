/** The audit log finds what was changed, by accident or on purpose. */
import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { AuditLog, check, entries, TamperedError } from "../../examples/audit_log.ts";
import { openLog, type RecordInput } from "../../mod.ts";
import { collect, fails, namesIn, reopen, texts, useDirectory } from "../helpers.ts";

/** Three entries in two lives; answers their hashes. */
async function recordThree(directory: string): Promise<string[]> {
  const hashes: string[] = [];
  {
    await using log = await AuditLog.open(directory);
    hashes.push(...await Promise.all([log.record("alice", "opens the safe"), log.record("bob", "watches")]));
  }
  await using log = await AuditLog.open(directory);
  hashes.push(await log.record("alice", "closes the safe"));
  return hashes;
}

type Entry = Omit<RecordInput, "value"> & { value: string };

/** Writes the log anew, with right checksums, as somebody would who has its files and this program. */
async function forge(directory: string, change: (entries: Entry[]) => Entry[]): Promise<void> {
  const log = await openLog(directory);
  const records = (await collect(log.read())).map((record) => ({
    key: record.keyText(),
    value: record.text()!,
    headers: record.headers,
    timestamp: record.timestamp,
  }));
  await log.close();
  rmSync(directory, { recursive: true });
  await reopen(directory, {}, async (log) => {
    for (const record of change(records)) await log.append(record);
  });
}

describe("the audit log", () => {
  it("lists what was recorded, of one actor too, and its chain holds over several lives", async () => {
    await useDirectory(async (parent) => {
      const directory = join(parent, "audit");
      const hashes = await recordThree(directory);
      assert.deepEqual(await texts(entries(directory, "alice")), ["opens the safe", "closes the safe"]);
      assert.deepEqual(await check(directory), { count: 3, head: hashes[2] });
      for (const hash of hashes) assert.equal((await check(directory, hash)).count, 3);
    });
  });

  it("finds a changed and a removed entry although the checksums are right", async () => {
    const forgeries: [(entries: Entry[]) => Entry[], message: string][] = [
      [(all) => all.map((entry, i) => i === 1 ? { ...entry, value: "sleeps" } : entry), "entry 2 does not follow"],
      [(all) => all.map((entry, i) => i === 1 ? { ...entry, key: "carol" } : entry), "entry 2 does not follow"],
      [([first, , last]) => [first, last], "entry 1 does not follow"],
    ];
    for (const [change, message] of forgeries) {
      await useDirectory(async (parent) => {
        const directory = join(parent, "audit");
        await recordThree(directory);
        await forge(directory, change);
        await assert.rejects(
          check(directory),
          (error: Error) => error instanceof TamperedError && error.message === `${message} the one before it`,
        );
      });
    }
  });

  it("finds a removed end with a hash that was kept elsewhere", async () => {
    await useDirectory(async (parent) => {
      const directory = join(parent, "audit");
      const hashes = await recordThree(directory);
      await forge(directory, (all) => all.slice(0, 2));
      await assert.rejects(check(directory, hashes[2]), { message: `no entry has the hash ${hashes[2]}` });
    });
  });

  it("is told of rotten bytes by the log itself", async () => {
    await useDirectory(async (parent) => {
      const directory = join(parent, "audit");
      await recordThree(directory);
      const shard = join(directory, namesIn(directory).find((name) => /-\d+$/.test(name))!);
      const file = join(shard, namesIn(shard, ".log")[0]);
      const bytes = readFileSync(file);
      bytes[80] ^= 1;
      writeFileSync(file, bytes);
      await fails("CORRUPT_BATCH", () => check(directory));
    });
  });
});
