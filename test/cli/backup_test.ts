/** `bimiplog backup`, beside a program that writes. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { describe, it } from "node:test";
import { openLog } from "../../mod.ts";
import { linesOf, Program, run, temporaryLog } from "./program.ts";

describe("backup", () => {
  it("says what it has copied, and the copy is a log", async () => {
    const directory = temporaryLog();
    await run(["append", directory, "--shards", "2"], "a\nb\nc\n");
    const { code, stdout, stderr } = await run(["backup", directory, `${directory}-copy`]);
    assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
    assert.match(stdout, /-copy holds 3 offsets in \d segments and 2 shards: 0 B linked, [\d.]+ k?B copied\n$/);
    assert.deepEqual(linesOf((await run(["read", `${directory}-copy`])).stdout).sort(), ["a", "b", "c"]);
    assert.equal((await run(["verify", `${directory}-copy`])).code, 0);
    const json = JSON.parse((await run(["backup", directory, `${directory}-json`, "--json"])).stdout);
    assert.deepEqual([json.directory, json.shards.length, json.linkedBytes], [`${directory}-json`, 2, 0]);
  });

  it("works beside a writer, and takes everything that was acknowledged before", async () => {
    const directory = temporaryLog();
    const program = new Program(["append", directory, "--acks"]);
    program.write(Array.from({ length: 500 }, (_, i) => `v${i}\n`).join(""));
    await program.lines(500);
    assert.equal((await run(["backup", directory, `${directory}-copy`])).code, 0);
    program.write("later\n");
    await program.lines(501);
    assert.equal((await program.end()).code, 0);
    const values = linesOf((await run(["read", `${directory}-copy`])).stdout);
    assert.deepEqual(values, Array.from({ length: 500 }, (_, i) => `v${i}`));
  });

  it("refuses a target that holds something with 1, damage with 3", async () => {
    const directory = temporaryLog();
    await run(["append", directory], "a\n");
    mkdirSync(`${directory}-full`);
    writeFileSync(`${directory}-full/mine`, "");
    const full = await run(["backup", directory, `${directory}-full`]);
    assert.equal(full.code, 1);
    assert.match(full.stderr, /^bimiplog: Cannot back up to .*it holds mine; name a new directory/);
    writeFileSync(`${directory}/events-0/${"0".repeat(20)}.log`, "");
    const lost = await run(["backup", directory, `${directory}-lost`]);
    assert.equal(lost.code, 3);
    assert.ok(!existsSync(`${directory}-lost`));
  });

  it("killed at any time leaves no half backup, and the next one to the same place succeeds", async () => {
    const directory = temporaryLog();
    const log = await openLog(directory, { topic: "events", shards: 4 });
    for (let i = 0; i < 300; i++) {
      log.shard(i % 4).tryAppend({ value: new Uint8Array(100_000) });
      if (i % 10 === 0) await log.flush();
    }
    await log.close();
    const out = `${directory}-copy`;
    let cut = 0;
    for (let delayMs = 0; delayMs < 10; delayMs++) {
      const program = new Program(["backup", directory, out]);
      const deadline = performance.now() + 20_000;
      while (!existsSync(`${out}.tmp`) && !existsSync(out) && performance.now() < deadline) {
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      await new Promise((resolve) => setTimeout(resolve, delayMs * 4));
      await program.kill("SIGKILL");
      if (existsSync(out)) break;
      cut++;
      if (!readdirSync(`${out}.tmp`).includes("bimip.json")) {
        const opened = await run(["info", `${out}.tmp`]);
        assert.equal(opened.code, 1, opened.stdout);
      }
    }
    assert.ok(cut > 0, "none was cut short");
    if (!existsSync(out)) assert.equal((await run(["backup", directory, out])).code, 0);
    const { code, stdout } = await run(["verify", out]);
    assert.equal(code, 0, stdout);
    assert.match(stdout, /all is well: 300 records/);
  });
});
