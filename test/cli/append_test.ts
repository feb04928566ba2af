/** `bimiplog append`: lines become records, and nothing that was taken is lost on the way out. */
import assert from "node:assert/strict";
import { appendFileSync, existsSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { describe, it } from "node:test";
import { openLog } from "../../mod.ts";
import { COMMAND, linesOf, Program, run, temporaryLog } from "./program.ts";

const MIB = 1024 * 1024;

interface Stored {
  readonly shard: number;
  readonly key: string | null;
  readonly value: string | null;
}

async function stored(directory: string): Promise<Stored[]> {
  const log = await openLog(directory, { readOnly: true });
  const records: Stored[] = [];
  for await (const record of log.read()) {
    records.push({ shard: record.shard, key: record.keyText(), value: record.text() });
  }
  await log.close();
  return records;
}

async function values(directory: string): Promise<(string | null)[]> {
  return (await stored(directory)).map(({ value }) => value);
}

describe("append", () => {
  it("takes a line up to LF, drops a CR before it, keeps empty lines and a last line without LF", async () => {
    const directory = temporaryLog();
    const { code, stdout, stderr } = await run(["append", directory], "one\r\n\n\r\ntw\ro\nä 事件\r\r\nlast\r");
    assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: "", stderr: "" });
    assert.deepEqual(await values(directory), ["one", "", "", "tw\ro", "ä 事件\r", "last\r"]);
  });

  it("makes no record of an input that is empty, and none behind the last LF", async () => {
    const directory = temporaryLog();
    assert.equal((await run(["append", directory], "")).code, 0);
    assert.equal((await run(["append", directory], "a\n")).code, 0);
    assert.deepEqual(await values(directory), ["a"]);
  });

  it("keeps bytes as they are, whatever pieces they come in", async () => {
    const directory = temporaryLog();
    const lines = [Uint8Array.of(0xff, 0, 0x80), new Uint8Array(300_000).fill(0x62), Uint8Array.of(0xef, 0xbb, 0xbf)];
    const program = new Program(["append", directory]);
    for (const line of lines) {
      for (let at = 0; at < line.length; at += 100_000) program.write(line.subarray(at, at + 100_000));
      program.write("\r");
      await new Promise((resolve) => setTimeout(resolve, 20));
      program.write("\n");
    }
    assert.equal((await program.end()).code, 0);
    const log = await openLog(directory, { readOnly: true });
    const found: Uint8Array[] = [];
    for await (const { value } of log.read()) found.push(new Uint8Array(value!));
    await log.close();
    assert.deepEqual(found, lines);
  });

  it("splits key and value at the first separator; without one there is no key", async () => {
    const directory = temporaryLog();
    assert.equal((await run(["append", directory, "--key-separator", "="], "a=1\nb=2=3\n=4\n5\nc=\n")).code, 0);
    const records = (await stored(directory)).map(({ key, value }) => [key, value]);
    assert.deepEqual(records, [["a", "1"], ["b", "2=3"], ["", "4"], [null, "5"], ["c", ""]]);
  });

  it("takes a separator of several bytes, and one that begins with a dash", async () => {
    const directory = temporaryLog();
    assert.equal((await run(["append", directory, "--key-separator", "→→"], "a→b→→c\n→\n")).code, 0);
    assert.equal((await run(["append", directory, "--key-separator", "-"], "x-y\n")).code, 0);
    const records = (await stored(directory)).map(({ key, value }) => [key, value]);
    assert.deepEqual(records, [["a→b", "c"], [null, "→"], ["x", "y"]]);
  });

  it("puts a key where the library puts it, and spreads records without a key", async () => {
    const directory = temporaryLog();
    const keyed = Array.from({ length: 40 }, (_, i) => `user-${i}:v\n`).join("");
    const keyless = `${"x".repeat(1000)}\n`.repeat(400);
    const { code } = await run(["append", directory, "--shards", "3", "--key-separator", ":"], keyed + keyless);
    assert.equal(code, 0);
    const log = await openLog(directory, { readOnly: true });
    const used = new Set<number>();
    for await (const record of log.read()) {
      const key = record.keyText();
      if (key === null) used.add(record.shard);
      else assert.equal(record.shard, log.shardFor(key).id, key);
    }
    await log.close();
    assert.deepEqual([...used].sort(), [0, 1, 2]);
  });

  it("goes on in a log that exists, and refuses another number of shards", async () => {
    const directory = temporaryLog();
    await run(["append", directory, "--shards", "2"], "a\n");
    assert.equal((await run(["append", directory, "--shards", "2"], "b\n")).code, 0);
    const { code, stderr } = await run(["append", directory, "--shards", "3"], "c\n");
    assert.equal(code, 1);
    assert.match(stderr, /^bimiplog: .*2 shards, not 3.*\n$/);
    assert.deepEqual((await values(directory)).sort(), ["a", "b"]);
  });

  it("stops at a record that is too large, with the number of its line, and keeps what came before", async () => {
    const directory = temporaryLog();
    for (const [bytes, rest] of [[8 * MIB, "\nafter\n"], [40 * MIB, ""]] as const) {
      const input = Buffer.concat([Buffer.from("a\nb\n"), Buffer.alloc(bytes, "x"), Buffer.from(rest)]);
      const { code, stdout, stderr } = await run(["append", directory, "--acks"], input);
      assert.equal(code, 1);
      assert.match(stderr, /^bimiplog: .*line 3: .*too large.*\n$/);
      assert.equal(linesOf(stdout).length, 2);
    }
    assert.deepEqual(await values(directory), ["a", "b", "a", "b"]);
  });

  it("takes a record of 5 MiB", async () => {
    const directory = temporaryLog();
    const line = "y".repeat(5 * MIB);
    assert.equal((await run(["append", directory], `${line}\nz\n`)).code, 0);
    assert.deepEqual(await values(directory), [line, "z"]);
  });

  for (const [signal, exitCode] of [["SIGTERM", 143], ["SIGINT", 130]] as const) {
    it(`writes what it took and closes the log at ${signal}`, async () => {
      const directory = temporaryLog();
      const program = new Program(["append", directory, "--acks"]);
      program.write("a\nb\nhalf a li");
      await program.lines(2);
      const { code, stderr } = await program.kill(signal);
      assert.deepEqual({ code, stderr }, { code: exitCode, stderr: "" });
      assert.deepEqual(await values(directory), ["a", "b"]);
      assert.match((await run(["info", directory])).stdout, /closed cleanly\.\n$/);
    });
  }

  it("writes a large input that is still coming in at SIGTERM as far as it was acknowledged, and closes", async () => {
    const directory = temporaryLog();
    const program = new Program(["append", directory, "--acks", "--shards", "2"]);
    const block = Array.from({ length: 5000 }, (_, i) => `line ${i}\n`).join("");
    const stop = program.feed(() => block, 5);
    await program.lines(20_000);
    const { code, stdout } = await program.kill("SIGTERM");
    stop();
    assert.equal(code, 143);
    assert.equal((await values(directory)).length, linesOf(stdout).length);
    assert.match((await run(["info", directory])).stdout, /closed cleanly\.\n$/);
  });

  it("is refused while another process writes, which it names, and exits with 4", async () => {
    const directory = temporaryLog();
    const owner = new Program(["append", directory, "--acks"]);
    owner.write("mine\n");
    await owner.lines(1);
    const { code, stderr } = await run(["append", directory], "yours\n");
    assert.equal(code, 4);
    assert.match(stderr, new RegExp(`^bimiplog: .*process ${owner.pid}\\b.*\n$`));
    assert.equal((await owner.end("still mine")).code, 0);
    assert.deepEqual(await values(directory), ["mine", "still mine"]);
  });

  it("tells a full disk, exits with 1, and acknowledged nothing that is not there", async () => {
    const directory = temporaryLog();
    // A limit of 1 MB on the size of a file fails as a full disk does: with less than was asked for, then with an error.
    const program = new Program(["append", directory, "--acks"], [
      "/bin/sh",
      "-c",
      'trap "" XFSZ; ulimit -f 2000; exec "$@"',
      "sh",
      ...COMMAND,
    ]);
    const input = Array.from({ length: 200_000 }, (_, i) => `line ${i}\n`);
    const { code, stdout, stderr } = await program.end(input.join(""));
    assert.equal(code, 1);
    assert.match(
      stderr,
      /^bimiplog: Cannot write shard 0: .*free some space.*not acknowledged on shard 0 from offset \d+\n$/,
    );
    const acknowledged = linesOf(stdout);
    assert.ok(acknowledged.length < input.length, "nothing failed");
    assert.deepEqual(acknowledged, acknowledged.map((_, i) => `0 ${i}`));
    assert.match(stderr, new RegExp(`from offset ${acknowledged.length}\n$`));
    const found = await values(directory);
    assert.deepEqual(
      found.slice(0, acknowledged.length),
      input.slice(0, acknowledged.length).map((line) => line.trimEnd()),
    );
    assert.equal((await run(["append", directory], "space again\n")).code, 0);
    assert.equal((await values(directory)).at(-1), "space again");
  });

  it("makes nothing in a directory of other files", async () => {
    const directory = temporaryLog().replace(/\/events$/, "");
    writeFileSync(`${directory}/notes.txt`, "x");
    const { code, stderr } = await run(["append", directory], "a\n");
    assert.equal(code, 1);
    assert.match(stderr, /^bimiplog: .*notes\.txt.*\n$/);
    assert.ok(!existsSync(`${directory}/bimip.json`));
  });

  it("cuts a torn tail off and tells so", async () => {
    const directory = temporaryLog();
    const program = new Program(["append", directory, "--acks"]);
    program.write("a\n");
    await program.lines(1);
    await program.kill("SIGKILL");
    appendFileSync(`${directory}/events-0/${"0".repeat(20)}.log`, "torn");
    const { code, stderr } = await run(["append", directory], "b\n");
    assert.equal(code, 0);
    assert.match(stderr, /^bimiplog: shard 0: .* 4 bytes .*quarantine.*\n$/);
    assert.deepEqual(await values(directory), ["a", "b"]);
  });

  it("refuses a damaged log with 3, in one line, and changes nothing", async () => {
    const directory = temporaryLog();
    await run(["append", directory], "a\n");
    const file = `${directory}/events-0/${"0".repeat(20)}.log`;
    const bytes = readFileSync(file);
    bytes[bytes.length - 2] ^= 1;
    writeFileSync(file, bytes);
    for (const input of ["b\n", ""]) {
      const { code, stdout, stderr } = await run(["append", directory, "--acks"], input);
      assert.deepEqual({ code, stdout }, { code: 3, stdout: "" });
      assert.match(stderr, /^bimiplog: [^\n]*damaged[^\n]*bimiplog verify[^\n]*\n$/);
    }
    assert.deepEqual(readFileSync(file), bytes);
  });

  it("refuses a log that lacks acknowledged records with 3", async () => {
    const directory = temporaryLog();
    await run(["append", directory], "a\n");
    const file = `${directory}/events-0/${"0".repeat(20)}.log`;
    truncateSync(file, 0);
    const { code, stderr } = await run(["append", directory], "b\n");
    assert.equal(code, 3);
    assert.match(stderr, /^bimiplog: [^\n]*records 0 to 0 were acknowledged and are not there[^\n]*\n$/);
    assert.equal(readFileSync(file).length, 0);
  });

  it("keeps the order of a hundred thousand lines", async () => {
    const directory = temporaryLog();
    const lines = Array.from({ length: 100_000 }, (_, i) => `${i}`);
    assert.equal((await run(["append", directory], `${lines.join("\n")}\n`)).code, 0);
    assert.deepEqual(await values(directory), lines);
  });
});
