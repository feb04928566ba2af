/** What a logger is told, and that it can do no harm. */
import assert from "node:assert/strict";
import { appendFileSync, cpSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { type Logger, openLog, type OpenOptions } from "../../mod.ts";
import { take, useDirectory } from "../helpers.ts";
import { ControlledVfs, diskFailure, failFrom } from "../shard/controlled_vfs.ts";

const LOG_FILE = `log-0/${"0".repeat(20)}.log`;

class Recorder implements Logger {
  readonly told: { level: string; message: string; fields: Record<string, unknown> }[] = [];
  debug = (message: string, fields: Record<string, unknown>): void => this.#take("debug", message, fields);
  info = (message: string, fields: Record<string, unknown>): void => this.#take("info", message, fields);
  warn = (message: string, fields: Record<string, unknown>): void => this.#take("warn", message, fields);
  error = (message: string, fields: Record<string, unknown>): void => this.#take("error", message, fields);

  /** Levels and events, without those that are told in passing. */
  get events(): string[] {
    return this.told.map(({ level, fields }) => `${level} ${fields["event"]}`);
  }

  #take(level: string, message: string, fields: Record<string, unknown>): void {
    assert.match(message, /\w+ \w+/);
    this.told.push({ level, message, fields });
  }
}

/** Opens, appends, closes; answers what was told. */
async function work(directory: string, options: OpenOptions, records = 3): Promise<Recorder> {
  const recorder = new Recorder();
  const log = await openLog(directory, { topic: "log", logger: recorder, ...options });
  for (let i = 0; i < records; i++) await log.append({ value: new Uint8Array(900) }).catch(() => {});
  await log.close().catch(() => {});
  return recorder;
}

describe("a logger", () => {
  it("is told the opening and every roll", () =>
    useDirectory(async (directory) => {
      const { events, told } = await work(directory, { segmentBytes: 1024 });
      assert.deepEqual(events, ["debug opened", "debug roll", "debug roll"]);
      assert.deepEqual([told[1].fields["shard"], told[1].fields["base"]], [0, 1]);
    }));

  it("is told what opening cut off, and where it is kept", () =>
    useDirectory(async (directory) => {
      const first = await openLog(`${directory}/a`, { topic: "log" });
      await first.append({ value: "v" });
      // As after a crash.
      cpSync(`${directory}/a`, `${directory}/b`, { recursive: true });
      await first.close();
      appendFileSync(join(directory, "b", LOG_FILE), "torn");
      const { told } = await work(`${directory}/b`, {}, 0);
      assert.deepEqual([told[0].level, told[0].fields["event"], told[0].fields["cutBytes"]], [
        "info",
        "recoveryCut",
        4,
      ]);
      assert.match(told[0].message, /4 bytes .*quarantine/);
    }));

  it("is told a slow sync, with its limit", () =>
    useDirectory(async (directory) => {
      const { told } = await work(directory, { durability: "disk", slowSyncMs: 0 }, 1);
      const slow = told.find(({ fields }) => fields["event"] === "slowSync")!;
      assert.deepEqual([slow.level, slow.fields["shard"], slow.fields["limitMs"]], ["warn", 0, 0]);
      assert.equal(
        (await work(`${directory}/quick`, { durability: "disk", slowSyncMs: 60_000 })).events.includes("warn slowSync"),
        false,
      );
    }));

  it("is told that a shard is poisoned", () =>
    useDirectory(async (directory) => {
      const vfs = new ControlledVfs(failFrom(2, ({ kind, path }) => kind === "write" && path.endsWith(".log")));
      const { told } = await work(directory, { vfs }, 2);
      const { level, fields, message } = told.find(({ fields }) => fields["event"] === "poisoned")!;
      assert.deepEqual([level, fields["shard"]], ["error", 0]);
      assert.match(message, /shard 0 takes no records any more: Cannot /);
    }));

  it("is told that an index was given up, and that a sync in the background failed", () =>
    useDirectory(async (directory) => {
      const noIndex = new ControlledVfs((operation) => {
        if (operation.kind === "write" && operation.path.endsWith(".idx")) throw diskFailure(operation);
      });
      assert.deepEqual((await work(`${directory}/a`, { vfs: noIndex })).events, ["debug opened", "warn indexGivenUp"]);
      const noSync = new ControlledVfs(failFrom(1, ({ kind, path }) => kind === "sync" && path.endsWith(".log")));
      const { events } = await work(`${directory}/b`, { vfs: noSync, segmentBytes: 1024 });
      assert.ok(events.includes("error backgroundSyncFailed") && events.includes("error poisoned"), events.join());
    }));

  it("is told the way of writing where the file system refuses the one that was asked for", () =>
    useDirectory(async (directory) => {
      class NoDirect extends ControlledVfs {
        override open(...[path, mode, options]: Parameters<ControlledVfs["open"]>): ReturnType<ControlledVfs["open"]> {
          if (options?.direct) throw diskFailure({ kind: "create", path }, "UNSUPPORTED");
          return super.open(path, mode, options);
        }
      }
      const { told } = await work(directory, { vfs: new NoDirect(), directIo: true });
      const { level, fields } = told.find(({ fields }) => fields["event"] === "writeMode")!;
      assert.deepEqual([level, fields["mode"], fields["isRefused"]], ["debug", "cached", true]);
    }));

  it("that throws, or rejects, harms nobody", () =>
    useDirectory(async (directory) => {
      const loggers: Logger[] = [
        { debug: () => assert.fail("a bad logger"), warn: () => assert.fail("a bad logger") },
        { debug: () => Promise.reject(new Error("a bad logger")) },
      ];
      for (const [i, logger] of loggers.entries()) {
        const log = await openLog(`${directory}/${i}`, { logger, segmentBytes: 1024, slowSyncMs: 0 });
        for (let n = 0; n < 3; n++) take(log.shard(0), { value: new Uint8Array(900) });
        await log.flush("disk");
        assert.equal(log.shard(0).synced, 3);
        await log.close();
      }
    }));

  it("may be the console, or have some levels only", () =>
    useDirectory(async (directory) => {
      for (const logger of [console, {}, { error: () => {} }]) {
        await (await openLog(directory, { logger: { ...logger, debug: () => {} } })).close();
      }
    }));

  it("that is none is refused before anything happens", () =>
    useDirectory(async (directory) => {
      for (const logger of ["console", { warn: 1 }, null] as unknown as Logger[]) {
        await assert.rejects(openLog(`${directory}/log`, { logger }), TypeError);
      }
      await assert.rejects(openLog(`${directory}/log`, { slowSyncMs: -1 }), RangeError);
    }));
});
