/** The command line itself: help, version, and what is refused before anything is done. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { describe, it } from "node:test";
import { crc32c } from "../../src/batch/crc32c.ts";
import { VERSION } from "../../src/cli/version.ts";
import { type Ending, run, temporaryLog } from "./program.ts";

const COMMANDS = [
  "append",
  "read",
  "info",
  "users",
  "verify",
  "repair",
  "backup",
  "top",
  "consumers",
  "trim",
  "dump",
  "mirror",
  "restore",
  "handover",
  "import",
  "bench",
  "completion",
];
const LOG_FILE = `events-0/${"0".repeat(20)}.log`;

/** One clear line, no stack, nothing on stdout. */
function assertRefused({ code, stdout, stderr }: Ending, expected: number, message: RegExp): void {
  assert.deepEqual({ code, stdout }, { code: expected, stdout: "" }, stderr);
  assert.match(stderr, /^bimiplog: [^\n]+\n$/);
  assert.match(stderr, message);
}

function versionIn(file: string): string {
  return JSON.parse(readFileSync(new URL(`../../${file}`, import.meta.url), "utf8")).version;
}

/** Gives both manifests another format number and a right checksum. */
function setFormat(directory: string, format: number): void {
  for (const name of ["bimip.json", "bimip.copy.json"]) {
    const body = readFileSync(`${directory}/${name}`, "utf8").replace('"format": 1', `"format": ${format}`).replace(
      /\n {2}"checksum[\s\S]*/,
      "",
    );
    const checksum = crc32c(new TextEncoder().encode(body)).toString(16).padStart(8, "0");
    writeFileSync(`${directory}/${name}`, `${body}\n  "checksum": "crc32c:${checksum}"\n}\n`);
  }
}

describe("bimiplog", () => {
  it("says its version, which package.json and deno.json have too", async () => {
    const { code, stdout, stderr } = await run(["--version"]);
    assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: `bimiplog ${VERSION}\n`, stderr: "" });
    assert.deepEqual([versionIn("package.json"), versionIn("deno.json")], [VERSION, VERSION]);
  });

  it("lists its commands, and no other", async () => {
    const { code, stdout, stderr } = await run(["--help"]);
    assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
    assert.deepEqual([...stdout.matchAll(/^ {2}(\w+) /gm)].map((match) => match[1]), COMMANDS);
  });

  it("explains each command and all of its options", async () => {
    await Promise.all(COMMANDS.map(async (command) => {
      const { code, stdout, stderr } = await run([command, "--help"]);
      assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
      assert.ok(stdout.includes(`Usage: bimiplog ${command} `), stdout);
      const synopsis = stdout.slice(stdout.indexOf("Usage:"), stdout.indexOf("\n\n", stdout.indexOf("Usage:")));
      for (const [option] of synopsis.matchAll(/--[a-z-]+/g)) assert.match(stdout, new RegExp(`^  ${option}\\b`, "m"));
      assert.equal((await run([command, "-h"])).stdout, stdout);
    }));
  });

  it("refuses wrong usage with 2", async () => {
    const directory = temporaryLog();
    const rows: [words: string[], message: RegExp][] = [
      [[], /command is missing/],
      [["--frobnicate"], /no option --frobnicate/],
      [["frobnicate"], /no command "frobnicate"/],
      [["append"], /directory is missing/],
      [["append", directory, "b"], /one directory is enough: what is "b"\?/],
      [["append", directory, "--frobnicate"], /no option --frobnicate/],
      [["append", directory, "--shards"], /--shards needs a value/],
      [["append", directory, "--shards", "0"], /--shards must be a whole number from 1 to 65536, not "0"/],
      [["append", directory, "--shards=two"], /not "two"/],
      [["append", directory, "--durability", "tape"], /--durability must be os or disk, not "tape"/],
      [["append", directory, "--acks=yes"], /--acks takes no value/],
      [["append", directory, "--key-separator", ""], /--key-separator must not be empty/],
      [["dump"], /file is missing/],
      [["backup"], /directory is missing/],
      [["backup", directory], /target of the backup is missing/],
      [["backup", directory, "out", "more"], /what is "more"\?/],
      [["top", directory, "--interval", "0"], /--interval must be a number from 0.1 to 3600/],
      [["completion"], /shell is missing/],
      [["completion", "perl"], /must be bash, zsh or fish, not "perl"/],
      [["bench", directory, "--seconds", "0"], /--seconds must be a number above 0/],
      [["bench", directory, "--runtimes", "node,perl"], /--runtimes takes node, bun, deno, not "perl"/],
    ];
    await Promise.all(rows.map(async ([words, message]) => assertRefused(await run(words, "x\n"), 2, message)));
    assert.ok(!existsSync(directory), "something was made");
  });

  it("refuses what is no log with 1", async () => {
    const directory = temporaryLog();
    const file = `${directory}.txt`;
    writeFileSync(file, "x");
    mkdirSync(`${directory}.empty`);
    for (const command of ["read", "info", "users", "verify"]) {
      assertRefused(await run([command, directory]), 1, /no (such directory|log in it)/);
      assertRefused(await run([command, file]), 1, /not a directory|no log in it/);
      assertRefused(await run([command, `${directory}.empty`]), 1, /no log in it/);
    }
    assert.ok(!existsSync(directory), "something was made");
  });

  it("refuses a newer format with 1 and changes nothing", async () => {
    const directory = temporaryLog();
    await run(["append", directory], "a\n");
    setFormat(directory, 2);
    const before = readFileSync(`${directory}/bimip.json`, "utf8");
    for (const command of ["append", "read", "info", "users", "verify"]) {
      assertRefused(await run([command, directory], "b\n"), 1, /format 2.*upgrade/);
    }
    assert.equal(readFileSync(`${directory}/bimip.json`, "utf8"), before);
    setFormat(directory, 1);
  });

  it("names a file that cannot be read", async () => {
    const directory = temporaryLog();
    await run(["append", directory], "a\n");
    // A symbolic link is refused to everybody, root included.
    rmSync(`${directory}/${LOG_FILE}`);
    symlinkSync("/etc/hostname", `${directory}/${LOG_FILE}`);
    const { code, stderr } = await run(["dump", `${directory}/${LOG_FILE}`]);
    assert.equal(code, 1);
    assert.match(stderr, /^bimiplog: Cannot open [^\n]*\.log: [^\n]*symbolic link[^\n]*\n$/);
  });
});
