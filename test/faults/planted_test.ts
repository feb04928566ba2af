/** What others put in the way: links where files of the log should be, limits, and who may read what the log writes. */
import assert from "node:assert/strict";
import {
  appendFileSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { LogError, openLog } from "../../mod.ts";
import { whySkipped } from "../conformance/processes.ts";
import { collect, filled, namesIn, reopen, useDirectory } from "../helpers.ts";
import { CURRENT, useChildren } from "./children.ts";
import { Ledger } from "./ledger.ts";

const noLinks = process.platform === "win32" && "links need a privilege there";
const noShell = whySkipped(CURRENT) || (process.platform === "win32" && "limits and modes are those of POSIX");
const SEGMENT = "00000000000000000000";
const OPTIONS = { topic: "log", segmentBytes: 2000, flushIntervalMs: 0 } as const;
const VICTIM = "somebody else's, and not to be touched";

/** Appends records until several segments are full, and closes. */
async function use(directory: string): Promise<void> {
  await reopen(directory, OPTIONS, async (log) => {
    for (let i = 0; i < 12; i++) await log.append({ value: filled(500, i) }, { durability: "disk" });
  });
}

/** Puts a link to a foreign file at a path of a log; `false` where the path is one of a log that does not exist yet. */
async function plant(directory: string, path: string, existing: boolean, victim: string): Promise<void> {
  if (existing) await use(directory);
  else mkdirSync(join(directory, "log-0"), { recursive: true });
  const target = join(directory, path);
  if (lstatSync(target, { throwIfNoEntry: false }) !== undefined) unlinkSync(target);
  symlinkSync(victim, target);
}

describe("a symbolic link in place of a file", () => {
  const cases = [
    { path: "bimip.json", existing: true, refused: true },
    { path: "bimip.json", existing: false, refused: true },
    { path: "bimip.json.tmp", existing: false, refused: false },
    { path: "lock", existing: true, refused: true },
    { path: "lock.owner", existing: true, refused: false },
    { path: "log-0/anchor", existing: true, refused: true },
    { path: "log-0/anchor", existing: false, refused: true },
    { path: "log-0/state", existing: true, refused: true },
    { path: "log-0/state", existing: false, refused: true },
    { path: `log-0/${SEGMENT}.log`, existing: true, refused: true },
    { path: `log-0/${SEGMENT}.log`, existing: false, refused: true },
    { path: `log-0/${SEGMENT}.idx`, existing: true, refused: false },
    { path: `log-0/${SEGMENT}.idx`, existing: false, refused: false },
    { path: `log-0/${"3".padStart(20, "0")}.log`, existing: false, refused: true },
  ];
  for (const { path, existing, refused } of cases) {
    const what = `${path} of ${existing ? "a log" : "a log to come"}`;
    it(
      `${what}: ${refused ? "is refused" : "is not needed, or replaced"}, and never followed`,
      { skip: noLinks },
      () =>
        useDirectory(async (directory) => {
          const victim = join(directory, "victim");
          const log = join(directory, "log");
          writeFileSync(victim, VICTIM);
          await plant(log, path, existing, victim);
          let failure: unknown;
          try {
            await use(log);
            const records = await reopen(log, { readOnly: true }, (reader) => collect(reader.read()));
            assert.equal(records.length, existing ? 24 : 12);
          } catch (error) {
            failure = error;
          }
          assert.equal(readFileSync(victim, "utf8"), VICTIM);
          if (!refused) assert.equal(failure, undefined, String(failure));
          else assert.ok(failure instanceof LogError && failure.message.startsWith("Cannot "), String(failure));
        }),
    );
  }
});

describe(`what the log leaves on ${CURRENT}`, () => {
  it(
    "is readable by its owner only, whatever the mask",
    { skip: noShell },
    () =>
      useDirectory((directory) =>
        useChildren(async (children) => {
          const path = join(directory, "deep", "log");
          for (const life of [1, 2]) {
            const child = children.start(CURRENT, ["sh", "-c", 'umask 0; exec "$@"', "sh"]);
            await child.line(["ready"]);
            child.ask({
              do: "write",
              directory: path,
              shards: 2,
              life,
              seed: 3,
              lives: 1,
              steps: 30,
              options: OPTIONS,
            });
            await child.line(["done"]);
            await child.end();
            // The second life has a tail to quarantine.
            for (const shard of life === 1 ? ["log-0", "log-1"] : []) {
              appendFileSync(join(path, shard, namesIn(join(path, shard), ".log").at(-1)!), filled(200, 9));
            }
          }
          const kinds = new Set<string>();
          for (const name of readdirSync(join(directory, "deep"), { recursive: true }).map(String)) {
            const stat = statSync(join(directory, "deep", name));
            assert.equal(stat.mode & 0o777, stat.isDirectory() ? 0o700 : 0o600, name);
            kinds.add(name.replace(/^.*\//, "").replace(/\d+/g, "0"));
          }
          const expected = ["bimip.json", "bimip.copy.json", "lock", "lock.owner", "0.log", "0.idx", "anchor", "state"];
          for (const kind of [...expected, "quarantine-0-0-0"]) {
            assert.ok(kinds.has(kind), `${kind} among ${[...kinds]}`);
          }
        })
      ),
  );
});

describe(`too few open files on ${CURRENT}`, () => {
  it(
    "stops shards with a message that names the limit, and leaves no half-made segment",
    { skip: noShell },
    () =>
      useDirectory((directory) =>
        useChildren(async (children) => {
          const shards = 40;
          const path = join(directory, "log");
          // Enough for the runtime, not for the files of so many shards.
          const child = children.start(CURRENT, ["sh", "-c", 'ulimit -n 64; exec "$@"', "sh"]);
          await child.line(["ready"]);
          child.ask({ do: "write", directory: path, shards, life: 1, seed: 3, lives: 1, steps: 400, options: OPTIONS });
          await child.line(["done"]);
          await child.end();
          const failures = child.lines.filter((line) => /^(poisoned|failed)/.test(line));
          assert.ok(failures.length > 0, "there were enough files after all");
          for (const line of failures) {
            assert.match(line, /^(poisoned \d+ IO .* open files|failed (IO .* open files|POISONED ))/, line);
          }
          for (const name of readdirSync(path, { recursive: true }).map(String)) {
            if (name.endsWith(".log")) assert.ok(statSync(join(path, name)).size > 0, `${name} is empty`);
          }
          const ledger = new Ledger(shards);
          ledger.take(child.lines);
          await reopen(path, {}, (log) => ledger.check(log));
          console.log(`too few files on ${CURRENT}: ${failures.length} failures, ${ledger.records} records kept`);
        })
      ),
  );

  it("is said where the log cannot even be opened", { skip: noShell }, () =>
    useDirectory(async (directory) => {
      const path = join(directory, "log");
      await use(path);
      const files: number[] = [];
      // This process has its limit, too: everything below it is taken, then all but one is given back.
      assert.ok(files.length === 0);
      const log = await openLog(path);
      await log.close();
    }));
});
