/** A log as a Deno program meets it: the public entry, `@std/assert` and `@std/fs`. Runs on Deno only. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { copy, ensureDir, exists, walk } from "@std/fs";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { describe, it } from "node:test";
import type { TestContext } from "node:test";
import { LogError, openLog } from "../../mod.ts";

const VALUES = ["one", "two", "", "four: ä 事件"];
const ANY_MODE_BITS = 0o777;

async function temporaryDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "bimiplog-deno-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

async function writeValues(directory: string): Promise<void> {
  await using log = await openLog(directory, { topic: "events" });
  for (const value of VALUES) await log.append({ key: "alice", value });
}

async function readValues(directory: string): Promise<(string | null)[]> {
  await using log = await openLog(directory, { readOnly: true });
  const values: (string | null)[] = [];
  for await (const record of log.read({ shard: 0, from: "earliest" })) values.push(record.text());
  return values;
}

/** Path below `directory` and permission bits of everything in it, sorted. */
async function listModes(directory: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { path, isFile, isDirectory, isSymlink } of walk(directory)) {
    if (path === directory) continue;
    assert(isFile !== isDirectory && !isSymlink, `${path} is neither a plain file nor a directory`);
    const mode = ((await stat(path)).mode & ANY_MODE_BITS).toString(8);
    found.push(`${mode} ${relative(directory, path)}`);
  }
  return found.sort((a, b) => a.slice(4) < b.slice(4) ? -1 : 1);
}

describe("a log on Deno", () => {
  it("opens in a directory that exists and is empty", async (t) => {
    const directory = join(await temporaryDirectory(t), "data/events");
    await ensureDir(directory);
    await writeValues(directory);
    assertEquals(await readValues(directory), VALUES);
  });

  it("makes its directory and the missing parents, for the owner alone", async (t) => {
    const parent = join(await temporaryDirectory(t), "data");
    await writeValues(join(parent, "events"));
    for (const path of [parent, join(parent, "events")]) {
      assertEquals((await stat(path)).mode & ANY_MODE_BITS, 0o700);
    }
  });

  it("leaves the documented files and no other, for the owner alone", async (t) => {
    const directory = join(await temporaryDirectory(t), "events");
    await writeValues(directory);
    assertEquals(await listModes(directory), [
      "600 bimip.copy.json",
      "600 bimip.json",
      "700 events-0",
      "600 events-0/00000000000000000000.idx",
      "600 events-0/00000000000000000000.log",
      "600 events-0/anchor",
      "600 events-0/state",
      "600 lock",
      "600 lock.owner",
    ]);
  });

  it("is complete in a copy of its directory", async (t) => {
    const parent = await temporaryDirectory(t);
    await writeValues(join(parent, "events"));
    await copy(join(parent, "events"), join(parent, "copy"));
    await rm(join(parent, "events"), { recursive: true });
    assertEquals(await readValues(join(parent, "copy")), VALUES);
    await writeValues(join(parent, "copy"));
    assertEquals(await readValues(join(parent, "copy")), [...VALUES, ...VALUES]);
  });

  it("reads the same without its index and its anchor", async (t) => {
    const directory = join(await temporaryDirectory(t), "events");
    await writeValues(directory);
    for await (const { path, name } of walk(directory)) {
      if (name.endsWith(".idx") || name === "anchor") await rm(path);
    }
    await writeValues(directory);
    assertEquals(await readValues(directory), [...VALUES, ...VALUES]);
  });

  it("has one writer at a time", async (t) => {
    const directory = join(await temporaryDirectory(t), "events");
    await using log = await openLog(directory);
    const error = await assertRejects(() => openLog(directory), LogError);
    assertEquals(error.code, "LOCKED");
    assertEquals((await log.append({ value: "still here" })).offset, 0);
  });

  it("creates nothing when it is opened only for reading", async (t) => {
    const directory = join(await temporaryDirectory(t), "events");
    const error = await assertRejects(() => openLog(directory, { readOnly: true }), LogError);
    assertEquals(error.code, "NOT_A_LOG");
    assert(!await exists(directory), "the directory was made");
  });
});
