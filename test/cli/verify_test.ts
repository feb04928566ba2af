/** `bimiplog verify`: finds every damage, names its place, and takes nothing else for damage. */
import assert from "node:assert/strict";
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { describe, it } from "node:test";
import { runtimeCodecs } from "../../adapters/codecs.ts";
import { runtimeVfs } from "../../adapters/runtime.ts";
import { systemClock } from "../../adapters/system.ts";
import { openLog } from "../../mod.ts";
import type { Damage, Note, Totals } from "../../src/verify/finding.ts";
import { verifyLog } from "../../src/verify/verify_log.ts";
import { share } from "../fixtures/share.ts";
import { linesOf, Program, run, temporaryLog } from "./program.ts";

const FIRST = `events-0/${"0".repeat(20)}`;
const BATCHES = 12;

interface Found {
  readonly totals: Totals;
  readonly damages: Damage[];
  readonly notes: Note[];
}

async function verify(directory: string): Promise<Found> {
  const damages: Damage[] = [];
  const notes: Note[] = [];
  const tools = { vfs: runtimeVfs(), clock: systemClock, codecs: runtimeCodecs };
  const observer = {
    damage: (damage: Damage) => void damages.push(damage),
    note: (note: Note) => void notes.push(note),
    progress: () => {},
  };
  return { totals: await verifyLog(tools, directory, observer), damages, notes };
}

/** Batches of two records, four batches a segment, three segments, two lives. */
async function writeLog(directory: string): Promise<void> {
  for (let life = 0; life < 2; life++) {
    const log = await openLog(directory, { segmentBytes: 1200 });
    for (let batch = 0; batch < BATCHES / 2; batch++) {
      for (let i = 0; i < 2; i++) log.shard(0).tryAppend({ key: `k${i}`, value: new Uint8Array(100).fill(batch) });
      await log.flush();
    }
    await log.close();
  }
}

function flip(path: string, position: number, mask: number = 1): void {
  const bytes = readFileSync(path);
  bytes[position] ^= mask;
  writeFileSync(path, bytes);
}

/** Files of a log whose every bit is looked at. */
function filesOf(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.startsWith("lock"))
    .map((entry) => `${entry.parentPath}/${entry.name}`).sort();
}

describe("verify", () => {
  it("counts everything and finds nothing wrong in a log that was closed", async () => {
    const directory = temporaryLog();
    await writeLog(directory);
    const { totals, damages, notes } = await verify(directory);
    assert.deepEqual({ damages, notes }, { damages: [], notes: [] });
    const bytes = filesOf(directory).filter((file) => file.endsWith(".log")).reduce(
      (sum, file) => sum + readFileSync(file).length,
      0,
    );
    assert.deepEqual(totals, { shards: 1, segments: 3, batches: BATCHES, records: 2 * BATCHES, bytes });
    const { code, stdout, stderr } = await run(["verify", `${directory}/`]);
    assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
    assert.equal(stdout, `all is well: 24 records in 12 batches, 3 segments and 1 shards, ${bytes} bytes\n`);
  });

  it("names shard, file, position and offsets of damage and exits with 3", async () => {
    const directory = temporaryLog();
    await writeLog(directory);
    const size = readFileSync(`${directory}/${FIRST}.log`).length / 4;
    flip(`${directory}/${FIRST}.log`, size + 100);
    const { code, stdout, stderr } = await run(["verify", directory]);
    assert.deepEqual({ code, stderr }, { code: 3, stderr: "" });
    const lines = linesOf(stdout);
    assert.match(
      lines[0],
      new RegExp(`^DAMAGE shard 0, ${directory}/${FIRST}\\.log, position ${size}, offsets 2 to 3: .*checksum`),
    );
    assert.match(lines[1], /^1 place is damaged: 22 records in 11 batches/);
    const objects = linesOf((await run(["verify", directory, "--json"])).stdout).map((line) => JSON.parse(line));
    const { what: _, ...damage } = objects[0].damage;
    assert.deepEqual(damage, { shard: 0, file: `${directory}/${FIRST}.log`, position: size, range: [2, 3] });
    assert.deepEqual(objects[1].summary.damages, 1);
  });

  it("finds a flipped bit in every file of a closed log", async (t) => {
    const directory = temporaryLog();
    await writeLog(directory);
    const seed = Math.floor(Math.random() * 2 ** 31);
    t.diagnostic(`seed ${seed}`);
    let random = seed;
    const below = (limit: number): number => {
      random = (Math.imul(random, 1_103_515_245) + 12_345) & 0x7fff_ffff;
      return (random >>> 8) % limit;
    };
    for (const file of filesOf(directory)) {
      const { length } = readFileSync(file);
      const isSlots = /\/(anchor|state)$/.test(file);
      // Of slot files the slots themselves, otherwise most positions would be in the space between them.
      const positions = Array.from({ length: share(30) }, () => isSlots ? below(2) * 4096 + below(512) : below(length));
      // The first batch header, field by field: Kafka's checksum leaves the first 21 bytes out.
      if (file.endsWith(".log")) { for (let at = 0; at < 61; at++) positions.push(at); }
      for (const position of positions) {
        const mask = 1 << below(8);
        flip(file, position, mask);
        const damages = await verify(directory).then((found) => found.damages, (error) => [error.message]);
        flip(file, position, mask);
        assert.ok(damages.length > 0, `${file} position ${position} mask ${mask}: not found`);
      }
    }
    assert.deepEqual((await verify(directory)).damages, []);
  });

  it("goes on behind damage and finds the next one", async () => {
    const directory = temporaryLog();
    await writeLog(directory);
    const size = readFileSync(`${directory}/${FIRST}.log`).length / 4;
    const second = filesOf(directory).filter((file) => file.endsWith(".log"))[1];
    flip(`${directory}/${FIRST}.log`, 7);
    flip(`${directory}/${FIRST}.log`, 3 * size + 90);
    flip(second, 80);
    const { damages, totals } = await verify(directory);
    assert.deepEqual(damages.map(({ position, range }) => ({ position, range })), [
      { position: 0, range: [0, 1] },
      { position: 3 * size, range: [6, 7] },
      { position: 0, range: [8, 9] },
    ]);
    assert.equal(totals.records, 2 * BATCHES - 6);
  });

  it("finds missing and shortened segments, directories and copies", async () => {
    const rows: [what: RegExp, range: number[] | undefined, breakIt: (directory: string, logs: string[]) => void][] = [
      [/no segment holds/, [8, 15], (_, logs) => rmSync(logs[1])],
      [/no segment holds/, [0, 7], (_, logs) => rmSync(logs[0])],
      [/files end before/, [16, 23], (_, logs) => rmSync(logs[2])],
      [/no segment holds/, [6, 7], (_, logs) => truncateSync(logs[0], readFileSync(logs[0]).length / 4 * 3)],
      [/files end before/, [18, 23], (_, logs) => truncateSync(logs[2], readFileSync(logs[2]).length / 4)],
      [/only 60 bytes|are left/, [22, 23], (_, logs) => truncateSync(logs[2], readFileSync(logs[2]).length - 1)],
      [/directory is missing/, undefined, (directory) => rmSync(`${directory}/events-0`, { recursive: true })],
      [/copy of the manifest is missing/, undefined, (directory) => rmSync(`${directory}/bimip.copy.json`)],
      [/copy of the manifest is damaged/, undefined, (directory) => flip(`${directory}/bimip.json`, 30)],
      [/no valid state/, undefined, (directory) => rmSync(`${directory}/events-0/state`)],
      [/bytes between the slots/, undefined, (directory) => flip(`${directory}/events-0/state`, 600)],
    ];
    for (const [what, range, breakIt] of rows) {
      const directory = temporaryLog();
      await writeLog(directory);
      breakIt(directory, filesOf(directory).filter((file) => file.endsWith(".log")));
      const { damages } = await verify(directory);
      assert.equal(damages.length, 1, `${what}: ${JSON.stringify(damages)}`);
      assert.match(damages[0].what, what);
      assert.deepEqual(damages[0].range, range);
    }
  });

  it("notes what is not there and can be made again", async () => {
    const directory = temporaryLog();
    await writeLog(directory);
    rmSync(`${directory}/${FIRST}.idx`);
    rmSync(`${directory}/events-0/anchor`);
    const { damages, notes } = await verify(directory);
    assert.deepEqual(damages, []);
    assert.deepEqual(notes.map(({ file }) => file), [`${directory}/events-0/anchor`, `${directory}/${FIRST}.idx`]);
    const { code, stdout } = await run(["verify", directory]);
    assert.equal(code, 0);
    assert.equal(linesOf(stdout).filter((line) => line.startsWith("note shard 0, ")).length, 2);
  });

  it("takes both copies of the manifest being damaged for damage", async () => {
    const directory = temporaryLog();
    await writeLog(directory);
    flip(`${directory}/bimip.json`, 30);
    flip(`${directory}/bimip.copy.json`, 31);
    const { damages } = await verify(directory);
    assert.deepEqual(damages.map(({ file }) => file), [`${directory}/bimip.json`, `${directory}/bimip.copy.json`]);
    // What the rest of the log says of it is enough to look at everything else, too.
    flip(`${directory}/${FIRST}.log`, 70);
    const both = (await verify(directory)).damages;
    assert.deepEqual(both.slice(2).map(({ file }) => file), [`${directory}/${FIRST}.log`]);
    const { code } = await run(["verify", directory]);
    assert.equal(code, 3);
  });

  it("says so where nothing tells what the log was", async () => {
    const directory = temporaryLog();
    await writeLog(directory);
    for (const name of ["bimip.json", "bimip.copy.json"]) flip(`${directory}/${name}`, 30);
    mkdirSync(`${directory}/other-0`);
    cpSync(`${directory}/events-0`, `${directory}/other-0`, { recursive: true });
    const { code, stderr } = await run(["verify", directory]);
    assert.equal(code, 3);
    assert.match(stderr, /^bimiplog: [^\n]*manifest[^\n]*\n$/);
  });

  it("notes a torn tail of a crash and takes it for no damage", async () => {
    const directory = temporaryLog();
    const program = new Program(["append", directory, "--acks"]);
    program.write("a\nb\n");
    await program.lines(2);
    await program.kill("SIGKILL");
    assert.deepEqual((await verify(directory)).damages, []);
    const log = `${directory}/${FIRST}.log`;
    const { length } = readFileSync(log);
    for (const tail of [Buffer.alloc(30), Buffer.alloc(5000, 7), readFileSync(log).subarray(0, length - 1)]) {
      appendFileSync(log, tail);
      const { damages, notes } = await verify(directory);
      assert.deepEqual(damages, []);
      assert.match(
        notes.map(({ what }) => what).join(),
        new RegExp(`^${tail.length} bytes from position ${length} on`),
      );
      assert.equal((await run(["verify", directory])).code, 0);
      truncateSync(log, length);
    }
  });

  it("finds nothing wrong beside a writer", async () => {
    const directory = temporaryLog();
    const program = new Program(["append", directory, "--shards", "2", "--acks"]);
    const block = Array.from({ length: 2000 }, (_, i) => `line ${i}\n`).join("");
    const stop = program.feed(() => block, 2);
    await program.lines(1);
    const end = performance.now() + 1500;
    let rounds = 0;
    for (; performance.now() < end; rounds++) {
      const { damages, totals } = await verify(directory);
      assert.deepEqual(damages, []);
      assert.ok(totals.shards === 2 && totals.records > 0);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    assert.ok(rounds > 5, `${rounds} rounds`);
    stop();
    assert.equal((await program.end()).code, 0);
    assert.deepEqual((await verify(directory)).damages, []);
  });
});
