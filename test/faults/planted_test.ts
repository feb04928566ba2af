/** What others put in the way: links where files of the log should be, limits, and who may read what the log writes. */
import assert from "node:assert/strict";
import {
  closeSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { LogError } from "../../mod.ts";
import { whySkipped } from "../conformance/processes.ts";
import { collect, filled, namesIn, reopen, useDirectory } from "../helpers.ts";
import { type Child, type Children, CURRENT, useChildren } from "./children.ts";
import { Ledger } from "./ledger.ts";
import type { WriteRequest } from "./writer/write.ts";

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

/** Puts a link to a foreign file at a path of a log: a used one, or one in which nothing was written so far. */
async function plant(directory: string, path: string, used: boolean, victim: string): Promise<void> {
  if (used) await use(directory);
  else if (path.startsWith("log-0/")) await reopen(directory, OPTIONS, () => {});
  else mkdirSync(directory);
  const target = join(directory, path);
  if (lstatSync(target, { throwIfNoEntry: false }) !== undefined) unlinkSync(target);
  symlinkSync(victim, target);
}

/** Appends bytes. (Deno's `appendFileSync` changes the mode of the file.) */
function append(path: string, bytes: Uint8Array): void {
  const fd = openSync(path, "a");
  writeSync(fd, bytes);
  closeSync(fd);
}

/** Runs one life of a writer to its end in a shell that sets something first. */
async function runIn(children: Children, setting: string, request: Partial<WriteRequest>): Promise<Child> {
  const child = children.start(CURRENT, ["/bin/sh", "-c", `${setting}; exec "$@"`, "sh"]);
  await child.line(["ready"]);
  child.ask({ do: "write", directory: "", life: 1, shards: 2, seed: 3, lives: 1, options: OPTIONS, ...request });
  await child.line(["done"]);
  await child.end();
  return child;
}

describe("a symbolic link in place of a file", () => {
  const cases = [
    { path: "bimip.json", used: true, refused: true },
    { path: "bimip.json", used: false, refused: true },
    { path: "bimip.json.tmp", used: false, refused: false },
    { path: "lock", used: true, refused: true },
    { path: "lock.owner", used: true, refused: false },
    { path: "log-0/anchor", used: true, refused: true },
    { path: "log-0/anchor", used: false, refused: true },
    { path: "log-0/state", used: true, refused: true },
    { path: "log-0/state", used: false, refused: true },
    { path: `log-0/${SEGMENT}.log`, used: true, refused: true },
    { path: `log-0/${SEGMENT}.log`, used: false, refused: true },
    { path: `log-0/${SEGMENT}.idx`, used: true, refused: false },
    { path: `log-0/${SEGMENT}.idx`, used: false, refused: false },
    // The second segment of a log that begins with these records.
    { path: `log-0/${"3".padStart(20, "0")}.log`, used: false, refused: true },
  ];
  for (const { path, used, refused } of cases) {
    const outcome = refused ? "is refused" : "is replaced, or not needed";
    it(
      `${path} of a ${used ? "used" : "new"} log: ${outcome}, and never followed [fault 53: not on Windows]`,
      { skip: noLinks },
      () =>
        useDirectory(async (directory) => {
          const victim = join(directory, "victim");
          const log = join(directory, "log");
          writeFileSync(victim, VICTIM);
          await plant(log, path, used, victim);
          let failure: unknown;
          try {
            await use(log);
            const records = await reopen(log, { readOnly: true }, (reader) => collect(reader.read()));
            assert.equal(records.length, used ? 24 : 12);
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
    "is readable by its owner only, whatever the mask [fault 53: POSIX]",
    { skip: noShell },
    () =>
      useDirectory((directory) =>
        useChildren(async (children) => {
          const path = join(directory, "deep", "log");
          await runIn(children, "umask 0", { directory: path, steps: 30 });
          const tailed = namesIn(join(path, "log-0"), ".log").at(-1)!;
          append(join(path, "log-0", tailed), filled(200, 9));
          await runIn(children, "umask 0", { directory: path, life: 2, steps: 30 });
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
  // Deno 2.9 itself panics where its signal handler finds no descriptor left: what it prints then is not the log's.
  const skip = CURRENT === "deno" ? "Deno 2.9 panics without descriptors" : noShell;
  it(
    "stop shards with a message that names the limit, and leave nothing to repair [fault 9: POSIX, Node and Bun]",
    { skip },
    () =>
      useDirectory((directory) =>
        useChildren(async (children) => {
          const shards = 40;
          const path = join(directory, "log");
          // Enough for the runtime, not for the files of so many shards.
          const child = await runIn(children, "ulimit -n 64", { directory: path, shards, steps: 400 });
          const failures = child.lines.filter((line) => /^(poisoned|failed)/.test(line));
          assert.ok(failures.length > 0, "there were enough files after all");
          for (const line of failures) {
            assert.match(line, /^(poisoned \d+ IO .*|failed (IO|POISONED) .*)open files.*ulimit -n/, line);
          }
          const ledger = new Ledger(shards);
          ledger.take(child.lines);
          await reopen(path, {}, async (log) => {
            assert.deepEqual([...new Set(log.recovery.map(({ verdict }) => verdict))], ["clean"]);
            await ledger.check(log);
          });
          console.log(`too few files on ${CURRENT}: ${failures.length} failures, ${ledger.records} records kept`);
        })
      ),
  );
});
