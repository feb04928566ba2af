/** A tiny run of `npm start`, and what it makes of a log that loses or changes records. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import { CURRENT, type Ending, Project, ROOT, run } from "./package.ts";

const TINY = ["--passes", "1", "--cities", "3000"];
/** All three after each other once; the others try their own alone. */
const RUNTIMES = CURRENT === "node" ? ["node", "bun", "deno"] : [CURRENT];

/** Libraries that break their promise: `records` yields what a read of them hands out. */
const BROKEN: readonly { does: string; records: string; unequal: number | "many" }[] = [
  {
    does: "changes a record",
    records: "for await (const r of all) yield r.offset === 7 && r.shard === 1 ? { ...plain(r), value: r.key } : r;",
    unequal: 1,
  },
  {
    does: "loses the end",
    records: "for await (const r of all) { if (r.offset === 7 && r.shard === 1) return; yield r; }",
    unequal: 0,
  },
  {
    does: "skips a record",
    records: "for await (const r of all) if (r.offset !== 7 || r.shard !== 1) yield r;",
    unequal: "many",
  },
];

function brokenLibrary(real: string, records: string): string {
  return `
import { openLog as open } from ${JSON.stringify(pathToFileURL(real).href)};
export { BACKPRESSURE } from ${JSON.stringify(pathToFileURL(real).href)};
const plain = ({ shard, offset, key }) => ({ shard, offset, key });
async function* broken(all) { ${records} }
export async function openLog(directory, options) {
  const log = await open(directory, options);
  const read = log.read.bind(log);
  log.read = (options) => broken(read(options));
  return log;
}
`;
}

function start(dist: string, runtimes: readonly string[]): Promise<Ending> {
  return run("node", ["scripts/start.ts", "--dist", dist, ...TINY, "--runtimes", runtimes.join(",")], ROOT);
}

describe("npm start", () => {
  let project: Project;
  before(async () => {
    project = await Project.create();
  });
  after(() => project?.remove());

  it("writes, kills, recovers and checks on every runtime, and leaves nothing behind", async () => {
    const { exitCode, stdout, stderr } = await start(project.dist, RUNTIMES);
    assert.equal(exitCode, 0, stdout + stderr);
    for (const name of RUNTIMES) {
      assert.match(stdout, new RegExp(`^${name} \\d+\\.\\d+\\.\\d+ +3,000( +[\\d,.]+){3} +0$`, "m"));
    }
    const [, records] = /compared with the source: ([\d,]+) records, 0 unequal, 0 lost\.$/m.exec(stdout) ?? [];
    // Every runtime reads its own 3,000 messages, those of the runtimes before it, and what the killed ones wrote.
    assert.ok(Number(records.replaceAll(",", "")) > 3_000 * RUNTIMES.length * (RUNTIMES.length + 1) / 2, stdout);
    const heading = /^runtime {2}.*$/m.exec(stdout)?.[0].replace(/ +/g, " ") ?? "no table";
    const readme = readFileSync(join(ROOT, "README.md"), "utf8").replace(/ +/g, " ");
    assert.ok(readme.includes(heading), `the README shows another table than:\n${heading}`);
    assert.match(stderr, new RegExp(`^1/${3 * RUNTIMES.length} ${CURRENT} appends 3,000 messages\n2/`));
    assert.ok(!stderr.includes("\r"), "a bar was drawn where there is no terminal");
    const log = /^Log: +(.*\/bimiplog-start-.*\/cities),/m.exec(stdout)?.[1];
    assert.ok(log && !existsSync(join(log, "..")), `${log} is left behind`);
  });

  // What is tested here runs on Node, whoever writes and reads.
  for (const { does, records, unequal } of CURRENT === "node" ? BROKEN : []) {
    it(`fails with a log that ${does}`, async () => {
      const dist = join(project.directory, `broken-${does.replaceAll(" ", "-")}`);
      mkdirSync(dist);
      writeFileSync(join(dist, "mod.js"), brokenLibrary(join(project.dist, "mod.js"), records));
      const { exitCode, stdout, stderr } = await start(dist, [CURRENT]);
      assert.equal(exitCode, 1, stdout + stderr);
      assert.match(stderr, /^FAILED: /m);
      const found = /records, ([\d,]+) unequal, ([\d,]+) lost\.$/m.exec(stdout) ?? [];
      const [count, lost] = found.slice(1).map((number) => Number(number.replaceAll(",", "")));
      assert.ok(lost > 0, stdout);
      assert.ok(unequal === "many" ? count > 100 : count === unequal, stdout);
    });
  }

  it("says what is wrong with its options", async () => {
    const { exitCode, stderr } = await run("node", ["scripts/start.ts", "--passes", "none"], ROOT);
    assert.equal(exitCode, 2);
    assert.equal(stderr, "Cannot use --passes none: it must be a whole number from 1\n");
  });
});
