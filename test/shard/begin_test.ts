/** What is durable before a shard's first byte is written: everything in front of the epoch that begins there. */
import assert from "node:assert/strict";
import { cpSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { openLog, type OpenOptions } from "../../mod.ts";
import { filled, namesIn, take, useDirectory } from "../helpers.ts";
import { ControlledVfs, Gate } from "./controlled_vfs.ts";

const OPTIONS: OpenOptions = {
  topic: "log",
  segmentBytes: 4000,
  batchBytes: 1000,
  flushIntervalMs: Infinity,
  maxUnsyncedBytes: Infinity,
};

/** What a program leaves that is killed before a sync was done: `segments` files of acknowledged records. */
async function leaveUnsynced(directory: string, segments: number): Promise<void> {
  const gate = new Gate();
  const vfs = new ControlledVfs(({ kind, path }) => kind === "sync" && path.endsWith(".log") ? gate.passed : undefined);
  const running = join(directory, "running");
  const log = await openLog(running, { ...OPTIONS, vfs });
  const shard = log.shard(0);
  for (let i = 0; namesIn(join(running, "log-0"), ".log").length < segments; i++) {
    take(shard, { value: filled(500, i) });
    await shard.flush("os");
  }
  assert.equal(shard.synced, 0);
  cpSync(running, join(directory, "killed"), { recursive: true });
  gate.open();
  await log.close();
}

describe("a shard's first append after a kill", () => {
  for (const segments of [1, 2]) {
    it(`comes when ${segments} unsynced segments are durable, and its epoch`, () =>
      useDirectory(async (directory) => {
        await leaveUnsynced(directory, segments);
        const vfs = new ControlledVfs();
        await using log = await openLog(join(directory, "killed"), { ...OPTIONS, vfs });
        const left = namesIn(join(directory, "killed", "log-0"), ".log");
        assert.equal(left.length, segments);
        take(log.shard(0), { value: "first of this life" });
        await log.shard(0).flush("os");
        const { operations } = vfs;
        const firstWrite = operations.findIndex(({ kind, path }) => kind === "write" && path.endsWith(".log"));
        assert.ok(firstWrite > 0);
        const synced = operations.slice(0, firstWrite).filter(({ kind }) => kind === "sync").map(({ path }) => path);
        for (const name of [...left, "state"]) {
          assert.ok(synced.some((path) => path.endsWith(`log-0/${name}`)), `${name} is not among ${synced}`);
        }
      }));
  }
});
