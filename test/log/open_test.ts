import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import { openLog, type OpenOptions } from "../../mod.ts";
import { fails, listing, reopen, take, texts, useDirectory } from "../helpers.ts";
import { start } from "../runtimes/children.ts";

const doNothing = (): void => {};

describe("openLog", () => {
  it("creates a log where there is none, with parents, and finds it again", () =>
    useDirectory(async (parent) => {
      const directory = join(parent, "a", "b", "chat");
      await reopen(directory, { shards: 3 }, async (log) => {
        assert.equal(log.directory, directory);
        assert.equal(log.topic, "chat");
        assert.deepEqual(log.shards.map(({ id }) => id), [0, 1, 2]);
        assert.deepEqual(log.recovery.map(({ shard, verdict }) => [shard, verdict]), [[0, "clean"], [1, "clean"], [
          2,
          "clean",
        ]]);
        await log.append({ key: "k", value: "v" });
      });
      assert.deepEqual(
        readdirSync(directory).sort(),
        ["bimip.copy.json", "bimip.json", "chat-0", "chat-1", "chat-2", "lock", "lock.owner"],
      );
      await reopen(directory, {}, async (log) => {
        assert.equal(log.shards.length, 3);
        assert.deepEqual(await texts(log.read()), ["v"]);
      });
    }));

  it("takes a file: URL and a path that ends with a slash", () =>
    useDirectory(async (parent) => {
      const directory = join(parent, "with space %41");
      await reopen(`${directory}/`, {}, (log) => log.append({ value: "v" }));
      const log = await openLog(pathToFileURL(directory));
      assert.equal(log.directory, directory);
      assert.equal(log.topic, "log", "a name that is no topic is not taken for one");
      assert.deepEqual(await texts(log.read()), ["v"]);
      await log.close();
    }));

  it("refuses what is no path", async () => {
    for (const bad of ["", "a\0b", 1, null, undefined, new URL("https://host/a")]) {
      await assert.rejects(openLog(bad as string), TypeError);
    }
  });

  it("has one shard and a topic of the directory's name by default", () =>
    useDirectory(async (directory) => {
      await reopen(directory, {}, (log) => {
        assert.equal(log.shards.length, 1);
        assert.equal(log.topic, basename(directory));
      });
    }));

  const wrong: readonly OpenOptions[] = [
    { shards: 0 },
    { shards: 1.5 },
    { shards: 65_537 },
    { flushIntervalMs: -1 },
    { flushIntervalMs: NaN },
    { flushIntervalMs: 2 ** 31 },
    { stride: 0 },
    { flushBytes: 0 },
    { batchBytes: 60 },
    { batchBytes: 1_000_001 },
    { maxBufferPerShard: 1023 },
    { maxBufferBytes: 1023 },
    { segmentBytes: 1023 },
    { segmentBytes: 2 ** 31 },
    { topic: "" },
    { topic: ".." },
    { topic: "a/b" },
    { topic: "x".repeat(250) },
    { durability: "none" as "os" },
  ];
  for (const options of wrong) {
    it(`refuses ${JSON.stringify(options).slice(0, 40)} and writes nothing`, () =>
      useDirectory(async (directory) => {
        await assert.rejects(openLog(directory, options), RangeError);
        assert.deepEqual(readdirSync(directory), []);
      }));
  }

  it("refuses another number of shards, and names both", () =>
    useDirectory(async (directory) => {
      await reopen(directory, { shards: 4 }, doNothing);
      for (const readOnly of [false, true]) {
        const error = await fails("CONFLICT", () => openLog(directory, { shards: 3, readOnly }));
        assert.match(error.message, /4 shards/);
        assert.match(error.message, /\b3\b/);
      }
      await reopen(directory, { shards: 4 }, doNothing);
    }));

  it("refuses another topic, and names both", () =>
    useDirectory(async (directory) => {
      await reopen(directory, { topic: "one" }, doNothing);
      const error = await fails("CONFLICT", () => openLog(directory, { topic: "two" }));
      assert.match(error.message, /one/);
      assert.match(error.message, /two/);
      await reopen(directory, {}, (log) => assert.equal(log.topic, "one"));
    }));

  it("gives up on a signal", () =>
    useDirectory(async (directory) => {
      const signal = AbortSignal.abort(new Error("not now"));
      await assert.rejects(openLog(directory, { signal }), /not now/);
      await reopen(directory, {}, doNothing);
    }));

  it(
    "creates its files for the owner only",
    { skip: process.platform === "win32" },
    () =>
      useDirectory(async (parent) => {
        const directory = join(parent, "log");
        await reopen(directory, {}, (log) => log.append({ value: "v" }));
        assert.equal(statSync(directory).mode & 0o777, 0o700);
        for (const path of readdirSync(directory, { recursive: true }).map(String)) {
          const stat = statSync(join(directory, path));
          assert.equal(stat.mode & 0o777, stat.isDirectory() ? 0o700 : 0o600, path);
        }
      }),
  );
});

describe("a directory that is not a log", () => {
  it("is refused for reading where it is missing, empty, or a file", () =>
    useDirectory(async (directory) => {
      await fails("NOT_A_LOG", () => openLog(join(directory, "missing"), { readOnly: true }));
      await fails("NOT_A_LOG", () => openLog(directory, { readOnly: true }));
      writeFileSync(join(directory, "file"), "x");
      await fails("NOT_A_LOG", () => openLog(join(directory, "file"), { readOnly: true }));
      assert.deepEqual(readdirSync(directory), ["file"]);
    }));

  it("gets no log among its files", () =>
    useDirectory(async (directory) => {
      writeFileSync(join(directory, "letter.txt"), "dear");
      const before = listing(directory);
      const error = await fails("NOT_A_LOG", () => openLog(directory));
      assert.match(error.message, /letter\.txt/);
      assert.deepEqual(listing(directory), before);
      await fails("NOT_A_LOG", () => openLog(join(directory, "letter.txt")));
    }));

  for (const [what, name] of [["backup", "unfinished-backup"], ["restore", "restore"]]) {
    it(`is what a ${what} has not finished, although there are files of a log`, () =>
      useDirectory(async (directory) => {
        await reopen(directory, { topic: "log" }, (log) => log.append({ value: "v" }));
        for (const name of ["bimip.json", "bimip.copy.json"]) rmSync(join(directory, name));
        await reopen(directory, { readOnly: true }, async (log) => assert.deepEqual(await texts(log.read()), ["v"]));
        writeFileSync(join(directory, name), "");
        const before = listing(directory);
        for (const readOnly of [true, false]) {
          const error = await fails("NOT_A_LOG", () => openLog(directory, { readOnly }));
          assert.match(error.message, new RegExp(`it is a ${what} that was not finished; (make|call) it again`));
        }
        assert.deepEqual(listing(directory), before);
      }));
  }

  it("may hold what a file system puts there", () =>
    useDirectory(async (directory) => {
      mkdirSync(join(directory, "lost+found"));
      writeFileSync(join(directory, ".DS_Store"), "");
      await reopen(directory, {}, doNothing);
    }));
});

describe("the manifest", () => {
  for (const damaged of ["bimip.json", "bimip.copy.json"]) {
    it(`serves from its other copy when ${damaged} is damaged, and is whole again afterwards`, () =>
      useDirectory(async (directory) => {
        await reopen(directory, { shards: 2 }, (log) => log.append({ value: "v" }));
        const good = readFileSync(join(directory, damaged), "utf8");
        writeFileSync(join(directory, damaged), good.replace('"shards": 2', '"shards": 3'));
        await reopen(directory, { readOnly: true }, async (log) => assert.deepEqual(await texts(log.read()), ["v"]));
        await reopen(directory, {}, (log) => assert.equal(log.shards.length, 2));
        assert.equal(readFileSync(join(directory, damaged), "utf8"), good);
      }));
  }

  const breakings: readonly (readonly [what: string, breakIt: (path: string) => void])[] = [
    ["damaged", (path) => writeFileSync(path, "{}")],
    ["missing", (path) => rmSync(path)],
  ];
  for (const [what, breakIt] of breakings) {
    it(`of which both copies are ${what} is made out from the files, and nothing but reading is possible`, () =>
      useDirectory(async (directory) => {
        await reopen(directory, { shards: 2, topic: "log" }, (log) => {
          for (const shard of log.shards) take(shard, { value: `${shard.id}`, timestamp: shard.id });
        });
        for (const name of ["bimip.json", "bimip.copy.json"]) breakIt(join(directory, name));
        const files = (): [string, string][] =>
          Object.entries(listing(directory)).filter(([path]) => path !== "lock.owner" && path.includes("."));
        const before = files();
        for (const readOnly of [true, false]) {
          await reopen(directory, { readOnly }, async (log) => {
            assert.equal(log.topic, "log");
            assert.deepEqual(log.shards.map(({ state }) => state), ["readOnly", "readOnly"]);
            assert.deepEqual(await texts(log.read()), ["0", "1"]);
            await fails("READ_ONLY", () => log.append({ value: "x" }));
          });
          assert.deepEqual(files(), before);
        }
        await fails("CONFLICT", () => openLog(directory, { shards: 3 }));
      }));
  }
});

describe("the writer's lock", () => {
  it("lets a second opening in the same process fail, and names the owner [fault 44]", () =>
    useDirectory(async (directory) => {
      const log = await openLog(directory);
      const before = listing(directory);
      const error = await fails("LOCKED", () => openLog(directory));
      assert.match(error.message, new RegExp(`\\b${process.pid}\\b`));
      assert.deepEqual(listing(directory), before, "nothing is written without the lock");
      take(log.shard(0), { value: "still mine" });
      await log.close();
      await reopen(directory, {}, async (again) => assert.deepEqual(await texts(again.read()), ["still mine"]));
    }));

  it("lets an opening in another process fail, and names the owner [fault 44]", () =>
    useDirectory(async (directory) => {
      const holder = start("holder.ts", { directory });
      const pid = (await holder.line("open")).split(" ")[1];
      const error = await fails("LOCKED", () => openLog(directory));
      assert.match(error.message, new RegExp(`\\b${pid}\\b`));
      await holder.kill();
      await reopen(directory, {}, doNothing);
    }));

  it("is free again after an opening that failed", () =>
    useDirectory(async (directory) => {
      await reopen(directory, { shards: 2 }, doNothing);
      await fails("CONFLICT", () => openLog(directory, { shards: 3 }));
      await reopen(directory, {}, doNothing);
    }));

  it(
    "is not taken through a symbolic link",
    { skip: process.platform === "win32" },
    () =>
      useDirectory(async (directory) => {
        const target = join(directory, "target");
        mkdirSync(join(directory, "log"));
        writeFileSync(target, "");
        symlinkSync(target, join(directory, "log", "lock"));
        await fails("IO", () => openLog(join(directory, "log")));
        assert.equal(readFileSync(target, "utf8"), "");
      }),
  );
});
