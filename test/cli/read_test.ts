/** `bimiplog read`: which records come out, in which form, and how it ends. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { describe, it } from "node:test";
import { openLog } from "../../mod.ts";
import { COMMAND, linesOf, Program, run, temporaryLog } from "./program.ts";

const LOG_FILE = `events-0/${"0".repeat(20)}.log`;
const TIME = Date.UTC(2026, 0, 31, 12);

/** Ten records a second apart, of two users, in batches of one. */
async function writeTen(directory: string, shards: number = 1): Promise<void> {
  const log = await openLog(directory, { shards });
  for (let i = 0; i < 10; i++) {
    const headers: Record<string, string> = i < 5 ? { n: `${i}` } : { n: `${i}`, half: "second" };
    await log.append({ key: i % 3 === 0 ? "alice" : "bob", value: `v${i}`, headers, timestamp: TIME + i * 1000 });
  }
  await log.close();
}

/** Flips a bit in the value `text` of a `.log`. */
function damage(directory: string, text: string): void {
  const bytes = readFileSync(`${directory}/${LOG_FILE}`);
  bytes[bytes.indexOf(text)] ^= 1;
  writeFileSync(`${directory}/${LOG_FILE}`, bytes);
}

function values(from: number, to: number): string {
  return Array.from({ length: to - from }, (_, i) => `v${from + i}\n`).join("");
}

function reversed(from: number, to: number): string {
  return Array.from({ length: to - from }, (_, i) => `v${to - 1 - i}\n`).join("");
}

const SELECTIONS: readonly { words: string[]; expected: string }[] = [
  { words: ["--from", "7"], expected: values(7, 10) },
  { words: ["--from", "10"], expected: "" },
  { words: ["--from", "0", "--shard", "0"], expected: values(0, 10) },
  { words: ["--from", "earliest"], expected: values(0, 10) },
  { words: ["--from", "latest"], expected: "" },
  { words: ["--from", "2026-01-31T12:00:04.500Z"], expected: values(5, 10) },
  { words: ["--from", "2026-01-31T13:00:05+01:00"], expected: values(5, 10) },
  { words: ["--from", "2026-01-31"], expected: values(0, 10) },
  { words: ["--from", "2027-01-01"], expected: "" },
  { words: ["--last", "3"], expected: values(7, 10) },
  { words: ["--last", "0"], expected: "" },
  { words: ["--last", "100"], expected: values(0, 10) },
  { words: ["--last", "3", "--from", "8"], expected: values(8, 10) },
  { words: ["--user", "alice"], expected: "v0\nv3\nv6\nv9\n" },
  { words: ["--user", "alice", "--last", "2"], expected: "v6\nv9\n" },
  { words: ["--user", "alice", "--from", "4"], expected: "v6\nv9\n" },
  { words: ["--user", "alice", "--from", "2026-01-31T12:00:04Z"], expected: "v6\nv9\n" },
  { words: ["--user", "alice", "--from", "2026-01-31T12:00:01Z", "--last", "1"], expected: "v9\n" },
  { words: ["--user", "alice", "--from", "latest"], expected: "" },
  { words: ["--user", "alice", "--shard", "0", "--on-corrupt", "skip"], expected: "v0\nv3\nv6\nv9\n" },
  { words: ["--user", "nobody"], expected: "" },
  { words: ["--reverse"], expected: reversed(0, 10) },
  { words: ["--reverse", "--last", "3"], expected: reversed(7, 10) },
  { words: ["--reverse", "--limit", "2", "--before", "5"], expected: "v4\nv3\n" },
  {
    words: ["--reverse", "--from", "2026-01-31T12:00:05Z", "--before", "2026-01-31T12:00:08Z"],
    expected: reversed(5, 8),
  },
  { words: ["--before", "3"], expected: values(0, 3) },
  { words: ["--limit", "2", "--from", "4"], expected: values(4, 6) },
  { words: ["--limit", "0"], expected: "" },
  { words: ["--key", "alice"], expected: "v0\nv3\nv6\nv9\n" },
  { words: ["--key", "alice", "--reverse", "--limit", "2"], expected: "v9\nv6\n" },
  { words: ["--header", "half"], expected: values(5, 10) },
  { words: ["--header", "half=second", "--key", "alice"], expected: "v6\nv9\n" },
  { words: ["--header", "half=second", "--header", "n=7"], expected: "v7\n" },
  { words: ["--header", "half=first"], expected: "" },
  { words: ["--user", "alice", "--reverse"], expected: "v9\nv6\nv3\nv0\n" },
  { words: ["--user", "alice", "--last", "3", "--reverse", "--limit", "2"], expected: "v9\nv6\n" },
  { words: ["--user", "alice", "--before", "6"], expected: "v0\nv3\n" },
  { words: ["--user", "alice", "--before", "2026-01-31T12:00:06Z", "--last", "1"], expected: "v3\n" },
  { words: ["--user", "alice", "--header", "n=9"], expected: "v9\n" },
];

const REFUSALS: readonly { words: string[]; code: number; message: RegExp }[] = [
  { words: ["--reverse", "--follow"], code: 2, message: /--follow and --reverse do not go together/ },
  { words: ["--before", "5", "--follow"], code: 2, message: /--follow and --before do not go together/ },
  { words: ["--user", "a", "--key", "b"], code: 2, message: /--user and --key do not go together/ },
  { words: ["--before", "latest"], code: 2, message: /--before must be an offset or a time such as/ },
  { words: ["--limit", "-1"], code: 2, message: /--limit/ },
  { words: ["--header", "a=1", "--header", "a=2"], code: 2, message: /--header "a" is given twice/ },
  { words: ["--from", "11"], code: 1, message: /valid offsets are 0 to 10/ },
  { words: ["--shard", "3"], code: 2, message: /no shard 3: this log has only shard 0/ },
  { words: ["--from", "yesterday"], code: 2, message: /--from must be .*"yesterday"/ },
  { words: ["--from", "2026-02-30T25:00"], code: 2, message: /--from must be / },
  { words: ["--from", "99999999999999999999"], code: 2, message: /larger than any offset/ },
  { words: ["--last", "-1"], code: 2, message: /--last must be a whole number from 0/ },
  { words: ["--on-corrupt", "ignore"], code: 2, message: /--on-corrupt must be skip/ },
];

describe("read", () => {
  it("prints the values of all records", async () => {
    const directory = temporaryLog();
    await writeTen(directory);
    assert.deepEqual(await run(["read", directory]), { code: 0, signal: null, stdout: values(0, 10), stderr: "" });
  });

  it("gives back what append took, byte for byte", async () => {
    const directory = temporaryLog();
    const input = Buffer.concat(
      Array.from({ length: 2000 }, (_, i) => Buffer.concat([Buffer.alloc(i, 0x80 + i % 100), Buffer.from("\n")])),
    );
    await run(["append", directory], input);
    const program = new Program(["read", directory]);
    const chunks: Uint8Array[] = [];
    program.onOutput((data) => chunks.push(data));
    assert.equal((await program.end()).code, 0);
    assert.ok(Buffer.concat(chunks).equals(input));
  });

  it("selects by offset, time, number and user", async () => {
    const directory = temporaryLog();
    await writeTen(directory);
    // A few at a time: each is a process that has to be done within its time.
    for (let first = 0; first < SELECTIONS.length; first += 6) {
      await Promise.all(
        SELECTIONS.slice(first, first + 6).map(async ({ words, expected }) => {
          const ending = await run(["read", directory, ...words]);
          assert.deepEqual(ending, { code: 0, signal: null, stdout: expected, stderr: "" }, words.join(" "));
        }),
      );
    }
  });

  it("prints text, base64, null and headers as JSON", async () => {
    const directory = temporaryLog();
    const log = await openLog(directory);
    const bom = "\ufeffwith a mark";
    await log.append({
      key: "k",
      value: bom,
      headers: [["h", "1"], ["h", null], ["b", Uint8Array.of(255)]],
      timestamp: 5,
    });
    await log.append({ key: null, value: null, timestamp: 6 });
    await log.append({ key: Uint8Array.of(0xc3), value: Uint8Array.of(0, 0x80, 0xff), timestamp: 7 });
    await log.append({ key: "", value: 'line\nend " \u2028 事件', timestamp: 8 });
    await log.close();
    const { stdout } = await run(["read", directory, "--json"]);
    assert.deepEqual(linesOf(stdout).map((line) => JSON.parse(line)), [
      {
        shard: 0,
        offset: 0,
        timestamp: 5,
        key: "k",
        value: bom,
        headers: [["h", "1"], ["h", null], ["b", { base64: "/w==" }]],
      },
      { shard: 0, offset: 1, timestamp: 6, key: null, value: null, headers: [] },
      { shard: 0, offset: 2, timestamp: 7, key: { base64: "ww==" }, value: { base64: "AID/" }, headers: [] },
      { shard: 0, offset: 3, timestamp: 8, key: "", value: 'line\nend " \u2028 事件', headers: [] },
    ]);
    assert.deepEqual(Object.keys(JSON.parse(linesOf(stdout)[0])), [
      "shard",
      "offset",
      "timestamp",
      "key",
      "value",
      "headers",
    ]);
    assert.equal((await run(["read", directory, "--from", "1", "--last", "3"])).stdout.split("\n")[0], "");
  });

  it("merges shards by time, reads one of them, and takes digits only together with --shard", async () => {
    const directory = temporaryLog();
    await writeTen(directory, 3);
    assert.equal((await run(["read", directory])).stdout, values(0, 10));
    const all = linesOf((await run(["read", directory, "--json"])).stdout).map((line) => JSON.parse(line));
    const { shard } = all[0];
    const own = all.filter((record) => record.shard === shard).map((record) => `${record.value}\n`);
    assert.equal((await run(["read", directory, "--shard", `${shard}`])).stdout, own.join(""));
    assert.equal((await run(["read", directory, "--shard", `${shard}`, "--from", "1"])).stdout, own.slice(1).join(""));
    assert.equal((await run(["read", directory, "--user", "alice", "--from", "1"])).code, 0);
    const { code, stderr, stdout } = await run(["read", directory, "--from", "1"]);
    assert.deepEqual({ code, stdout }, { code: 2, stdout: "" });
    assert.match(stderr, /^bimiplog: --from 1 needs --shard.*3 shards.*\n$/);
  });

  it("refuses what makes no sense with one line that says why", async () => {
    const directory = temporaryLog();
    await writeTen(directory);
    await Promise.all(REFUSALS.map(async ({ words, code, message }) => {
      const ending = await run(["read", directory, ...words]);
      assert.deepEqual({ code: ending.code, stdout: ending.stdout }, { code, stdout: "" }, words.join(" "));
      assert.match(ending.stderr, /^bimiplog: [^\n]+\n$/);
      assert.match(ending.stderr, message);
    }));
  });

  it("prints what is readable before damaged data, one line on stderr, and exits with 3", async () => {
    const directory = temporaryLog();
    await writeTen(directory);
    damage(directory, "v4");
    const { code, stdout, stderr } = await run(["read", directory]);
    assert.deepEqual({ code, stdout }, { code: 3, stdout: values(0, 4) });
    assert.match(stderr, /^bimiplog: [^\n]*offsets 4 to 4[^\n]*\.log, position \d+[^\n]*--on-corrupt skip[^\n]*\n$/);
  });

  for (const words of [[], ["--user", "bob"]]) {
    it(`reads on behind damaged data with --on-corrupt skip ${words.join(" ")} and still exits with 3`, async () => {
      const directory = temporaryLog();
      await writeTen(directory);
      damage(directory, "v4");
      const { code, stdout, stderr } = await run(["read", directory, "--on-corrupt", "skip", ...words]);
      const expected = words.length === 0 ? values(0, 4) + values(5, 10) : "v1\nv2\nv5\nv7\nv8\n";
      assert.deepEqual({ code, stdout }, { code: 3, stdout: expected });
      assert.match(stderr, /^bimiplog: [^\n]*offsets 4 to 4[^\n]*\n$/);
    });
  }

  it("follows a writer in another process and ends at SIGTERM and SIGINT", async () => {
    const directory = temporaryLog();
    await writeTen(directory);
    for (const [signal, exitCode] of [["SIGTERM", 143], ["SIGINT", 130]] as const) {
      const reader = new Program(["read", directory, "--follow", "--last", "2"]);
      const before = (await run(["read", directory, "--last", "2"])).stdout;
      await reader.lines(2);
      const writer = new Program(["append", directory]);
      writer.write(`${signal} one\n`);
      assert.equal((await reader.lines(3))[2], `${signal} one`);
      await writer.end(`${signal} two\n`);
      await reader.lines(4);
      const { code, stdout, stderr } = await reader.kill(signal);
      assert.deepEqual({ code, stdout, stderr }, {
        code: exitCode,
        stdout: `${before}${signal} one\n${signal} two\n`,
        stderr: "",
      });
    }
  });

  it("follows one user from the end", async () => {
    const directory = temporaryLog();
    await writeTen(directory);
    const reader = new Program([
      "read",
      directory,
      "--follow",
      "--user",
      "alice",
      "--last",
      "1",
      "--on-corrupt",
      "skip",
    ]);
    await reader.lines(1);
    await run(["append", directory, "--key-separator", "="], "bob=no\nalice=yes\n");
    assert.deepEqual(await reader.lines(2), ["v9", "yes"]);
    assert.equal((await reader.kill("SIGTERM")).code, 143);
  });

  it("ends quietly with 0 when its reader is gone", async () => {
    const directory = temporaryLog();
    await run(["append", directory], "a long line of text\n".repeat(100_000));
    const command = COMMAND.map((word) => `'${word}'`).join(" ");
    const script = `(${command} read '${directory}'; echo "exit $?" >&2) | head -1`;
    const { stdout, stderr } = await new Program([], ["/bin/sh", "-c", script]).end();
    assert.deepEqual({ stdout, stderr }, { stdout: "a long line of text\n", stderr: "exit 0\n" });
  });

  it("ends at SIGTERM although nobody takes its output", { skip: blocksOnOutput() }, async () => {
    const directory = temporaryLog();
    await run(["append", directory], "a long line of text\n".repeat(200_000));
    const program = new Program(["read", directory]);
    program.pauseOutput();
    await new Promise((resolve) => setTimeout(resolve, 700));
    const started = performance.now();
    const exit = program.exited;
    program.signal("SIGTERM");
    assert.equal(await exit, 143);
    assert.ok(performance.now() - started < 10_000);
  });

  it("tells that its output cannot be written", { skip: process.platform !== "linux" && "no /dev/full" }, async () => {
    const directory = temporaryLog();
    await writeTen(directory);
    const command = [...COMMAND, "read", directory].map((word) => `'${word}'`).join(" ");
    const { code, stderr } = await new Program([], ["/bin/sh", "-c", `${command} > /dev/full`]).end();
    assert.equal(code, 1);
    assert.match(stderr, /^bimiplog: Cannot write to stdout: [^\n]+\n$/);
  });
});

/** Deno writes to a pipe on the thread that would have to take the signal. */
function blocksOnOutput(): string | false {
  return process.versions.deno !== undefined && "this runtime writes to a pipe on its only thread";
}
