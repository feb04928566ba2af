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
  it("prints shard and offset of every record, in the order of offsets within a shard", async (t) => {
    const directory = temporaryLog(t);
    const lines = Array.from({ length: 30_000 }, (_, i) => `user-${i % 97}=${i}\n`);
    const words = ["append", directory, "--shards", "4", "--key-separator", "=", "--acks"];
    const { code, stdout } = await run(words, lines.join(""));
    assert.equal(code, 0);
    const shards = await byShard(directory);
    assert.equal(shards.flat().length, lines.length);
    assert.deepEqual(acknowledged(stdout, 4), shards.map((records) => records.map((_, offset) => offset)));
  });

  it("goes on behind the offsets that the log already has", async (t) => {
    const directory = temporaryLog(t);
    await run(["append", directory], "a\nb\n");
    assert.equal((await run(["append", directory, "--acks"], "c\nd\n")).stdout, "0 2\n0 3\n");
  });

  it("prints objects with --json", async (t) => {
    const directory = temporaryLog(t);
    const { stdout } = await run(["append", directory, "--acks", "--json"], "a\nb\n");
    assert.deepEqual(linesOf(stdout).map((line) => JSON.parse(line)), [{ shard: 0, offset: 0 }, {
      shard: 0,
      offset: 1,
    }]);
  });

  for (const durability of ["os", "disk"]) {
    it(`prints while the input is still open, on rung ${durability}`, async (t) => {
      const directory = temporaryLog(t);
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

  it("ends quietly with 0 when nobody reads the acknowledgements any more, and keeps what it took", async (t) => {
    const directory = temporaryLog(t);
    const program = new Program(["append", directory, "--acks"]);
    program.write("a\n");
    await program.lines(1);
    program.closeOutput();
    // The pipe shows that it is closed at the next write.
    const feeding = setInterval(() => program.write("b\n"), 20);
    t.after(() => clearInterval(feeding));
    const { code, stderr } = await program.ended;
    clearInterval(feeding);
    assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
    const [records] = await byShard(directory);
    assert.deepEqual(records.slice(0, 2), ["a", "b"]);
    assert.match((await run(["info", directory])).stdout, /closed cleanly\.\n$/);
  });

  it("has every acknowledged record after kill -9, in order and once, over several lives of one log", async (t) => {
    const directory = temporaryLog(t);
    const seed = Math.floor(Math.random() * 2 ** 31);
    t.diagnostic(`seed ${seed}`);
    let random = seed;
    const expected: string[][] = [[], []];
    for (let life = 0; life < 4; life++) {
      random = (Math.imul(random, 1_103_515_245) + 12_345) & 0x7fff_ffff;
      const enough = 500 + random % 20_000;
      const program = new Program(["append", directory, "--shards", "2", "--acks", "--key-separator", "="]);
      let sent = 0;
      const feeding = setInterval(() => {
        let block = "";
        for (const end = sent + 700; sent < end; sent++) block += `user-${sent % 31}=life ${life} line ${sent}\n`;
        program.write(block);
      }, 1);
      await program.lines(enough);
      const { signal, stdout } = await program.kill("SIGKILL");
      clearInterval(feeding);
      assert.equal(signal, "SIGKILL");

      // What was acknowledged before is there, then comes this life: a prefix of what was sent, with all that was acknowledged.
      const before = expected.map((records) => records.length);
      const found = await run(["read", directory, "--json"]);
      assert.equal(found.code, 0, found.stderr);
      const shards: string[][] = [[], []];
      for (const line of linesOf(found.stdout)) {
        const { shard, offset, value } = JSON.parse(line);
        assert.equal(offset, shards[shard].length, "an offset is missing or there twice");
        shards[shard].push(value);
      }
      const offsets = acknowledged(stdout, 2);
      for (const [shard, records] of shards.entries()) {
        assert.deepEqual(offsets[shard], offsets[shard].map((_, i) => before[shard] + i));
        assert.ok(records.length >= before[shard] + offsets[shard].length, `shard ${shard} lost acknowledged records`);
        assert.deepEqual(records.slice(0, before[shard]), expected[shard]);
        const numbers = records.slice(before[shard]).map((value) => {
          const [, of, line] = /^life (\d+) line (\d+)$/.exec(value)!;
          assert.equal(Number(of), life);
          return Number(line);
        });
        assert.deepEqual(numbers, [...numbers].sort((a, b) => a - b));
        assert.equal(new Set(numbers).size, numbers.length);
        expected[shard] = records;
      }
      const lines = shards.flatMap((records, shard) => records.slice(before[shard])).map((value) =>
        Number(value.split(" ").at(-1))
      );
      const perUser = new Map<number, number>();
      for (const line of lines.sort((a, b) => a - b)) {
        // A user is on one shard, so what is there of a user has no hole.
        const previous = perUser.get(line % 31);
        assert.equal(line, previous === undefined ? line % 31 : previous + 31);
        perUser.set(line % 31, line);
      }
      const verified = await run(["verify", directory]);
      assert.equal(verified.code, 0, verified.stdout);
    }
  });
});
