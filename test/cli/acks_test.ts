/** `bimiplog append --acks`: what is printed is in the log for good, once and in order. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { openLog } from "../../mod.ts";
import { linesOf, Program, run, temporaryLog } from "./program.ts";

/** Records by shard, in the order of their offsets. */
async function byShard(directory: string): Promise<string[][]> {
  const log = await openLog(directory, { readOnly: true });
  const shards: string[][] = log.shards.map(() => []);
  for await (const record of log.read()) {
    assert.equal(record.offset, shards[record.shard].length, "an offset is missing");
    shards[record.shard].push(record.text()!);
  }
  await log.close();
  return shards;
}

/** Acknowledged offsets by shard; a line that was cut off by the end of the process is none. */
function acknowledged(stdout: string, shards: number): number[][] {
  const offsets: number[][] = Array.from({ length: shards }, () => []);
  for (const line of linesOf(stdout)) {
    const [, shard, offset] = /^(\d+) (\d+)$/.exec(line) ?? assert.fail(`not an acknowledgement: ${line}`);
    offsets[Number(shard)].push(Number(offset));
  }
  return offsets;
}

describe("append --acks", () => {
  it("prints shard and offset of every record, in the order of offsets within a shard", async () => {
    const directory = temporaryLog();
    const lines = Array.from({ length: 30_000 }, (_, i) => `user-${i % 97}=${i}\n`);
    const words = ["append", directory, "--shards", "4", "--key-separator", "=", "--acks"];
    const { code, stdout } = await run(words, lines.join(""));
    assert.equal(code, 0);
    const shards = await byShard(directory);
    assert.equal(shards.flat().length, lines.length);
    assert.deepEqual(acknowledged(stdout, 4), shards.map((records) => records.map((_, offset) => offset)));
  });

  it("goes on behind the offsets that the log already has", async () => {
    const directory = temporaryLog();
    await run(["append", directory], "a\nb\n");
    assert.equal((await run(["append", directory, "--acks"], "c\nd\n")).stdout, "0 2\n0 3\n");
  });

  it("prints objects with --json", async () => {
    const directory = temporaryLog();
    const { stdout } = await run(["append", directory, "--acks", "--json"], "a\nb\n");
    assert.deepEqual(linesOf(stdout).map((line) => JSON.parse(line)), [{ shard: 0, offset: 0 }, {
      shard: 0,
      offset: 1,
    }]);
  });

  for (const durability of ["os", "disk"]) {
    it(`prints while the input is still open, on rung ${durability}`, async () => {
      const directory = temporaryLog();
      const program = new Program(["append", directory, "--acks", "--durability", durability]);
      for (let offset = 0; offset < 3; offset++) {
        program.write(`${offset}\n`);
        assert.equal((await program.lines(offset + 1))[offset], `0 ${offset}`);
        const info = JSON.parse((await run(["info", directory, "--json"])).stdout);
        const [{ written, synced }] = info.shards;
        assert.ok((durability === "disk" ? synced : written) > offset, `written ${written}, synced ${synced}`);
      }
      assert.equal((await program.end()).code, 0);
    });
  }

  it("ends quietly with 0 when nobody reads the acknowledgements any more, and keeps what it took", async () => {
    const directory = temporaryLog();
    const program = new Program(["append", directory, "--acks"]);
    program.write("a\n");
    await program.lines(1);
    program.closeOutput();
    // The pipe shows that it is closed at the next write.
    const stop = program.feed(() => "b\n", 20);
    const { code, stderr } = await program.ended;
    stop();
    assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
    const [records] = await byShard(directory);
    assert.deepEqual(records.slice(0, 2), ["a", "b"]);
    assert.match((await run(["info", directory])).stdout, /closed cleanly\.\n$/);
  });

  it("has every acknowledged record after kill -9, in order and once, over several lives of one log", async (t) => {
    const directory = temporaryLog();
    const seed = Math.floor(Math.random() * 2 ** 31);
    t.diagnostic(`seed ${seed}`);
    let random = seed;
    const expected: string[][] = [[], []];
    for (let life = 0; life < 4; life++) {
      random = (Math.imul(random, 1_103_515_245) + 12_345) & 0x7fff_ffff;
      const enough = 500 + random % 20_000;
      const program = new Program(["append", directory, "--shards", "2", "--acks", "--key-separator", "="]);
      let sent = 0;
      program.feed(() => {
        let block = "";
        for (const end = sent + 700; sent < end; sent++) block += `user-${sent % 31}=life ${life} line ${sent}\n`;
        return block;
      }, 1);
      await program.lines(enough);
      const { signal, stdout } = await program.kill("SIGKILL");
      assert.equal(signal, "SIGKILL");

      const read = await run(["read", directory, "--json"]);
      assert.equal(read.code, 0, read.stderr);
      const shards = shardsOf(read.stdout);
      for (const [shard, offsets] of acknowledged(stdout, 2).entries()) {
        const records = shards[shard];
        assert.deepEqual(records.slice(0, expected[shard].length), expected[shard], "what was there is still there");
        // Records of the life before may have come to light that were written and not published when it ended.
        const first = records.findIndex((value) => value.startsWith(`life ${life} `));
        assert.deepEqual(offsets, offsets.map((_, i) => first + i), "acknowledgements have no hole");
        assert.ok(records.length >= first + offsets.length, `shard ${shard} lost acknowledged records`);
      }
      shards.forEach((records, shard) => expected[shard] = records);
      const verified = await run(["verify", directory]);
      assert.equal(verified.code, 0, verified.stdout);
    }
    assertNoHole(expected.flat());
  });
});

/** Records by shard; offsets must follow each other. */
function shardsOf(json: string): string[][] {
  const shards: string[][] = [[], []];
  for (const line of linesOf(json)) {
    const { shard, offset, value } = JSON.parse(line);
    assert.equal(offset, shards[shard].length, "an offset is missing or there twice");
    shards[shard].push(value);
  }
  return shards;
}

/** A user is on one shard and lines go to users in turn, so what is there of a user in one life is every 31st line. */
function assertNoHole(values: string[]): void {
  const last = new Map<string, number>();
  for (const value of values) {
    const [, life, text] = /^life (\d+) line (\d+)$/.exec(value)!;
    const line = Number(text);
    const user = `${life} ${line % 31}`;
    assert.equal(line, (last.get(user) ?? line % 31 - 31) + 31, `life ${life}`);
    last.set(user, line);
  }
}
