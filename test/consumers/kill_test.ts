/** Processes that consume and are killed: every record at least once, none skipped. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { programPath } from "../fixtures/program_path.ts";
import { share } from "../fixtures/share.ts";
import { useLog } from "../helpers.ts";

const KILLS = Number(process.env.CONSUMER_KILLS ?? share(50));
/** A machine on which a process takes seconds to start kills fewer, and says so. */
const TIME_LIMIT_MS = 150_000;
const SHARDS = 3;

function start(directory: string, notes: string, how: string): ChildProcess {
  const script = programPath(new URL("./killed.ts", import.meta.url));
  const before = process.versions.deno === undefined ? [] : ["run", "-A", "--no-config"];
  return spawn(process.execPath, [...before, script, directory, notes, how], { stdio: ["ignore", "ignore", "pipe"] });
}

const ended = (child: ChildProcess): Promise<number | null> =>
  new Promise((resolve) => child.once("exit", (code) => resolve(code)));

describe("a process that consumes", () => {
  it(`is killed up to ${KILLS} times: no record is skipped`, () =>
    useLog({ shards: SHARDS }, async (log, directory) => {
      const notes = join(directory, "notes.txt");
      const size = (): number => existsSync(notes) ? statSync(notes).size : 0;
      let appended = 0;
      const limit = Date.now() + TIME_LIMIT_MS;
      let kills = 0;
      for (; kills < KILLS && Date.now() < limit; kills++) {
        for (let i = 0; i < 60; i++) log.shards[appended++ % SHARDS].tryAppend({ value: `${appended}` });
        await log.flush();
        const child = start(directory, notes, "follow");
        let complaint = "";
        child.stderr!.on("data", (data) => complaint += data);
        const exit = ended(child);
        const before = size();
        const wanted = Math.floor(Math.random() * 200);
        // At a random moment of its work, or at the latest when it has nothing more to do.
        for (let turn = 0; turn < 20_000 && size() < before + 1 + wanted; turn++) {
          await new Promise((resolve) => setTimeout(resolve, 1));
          if (child.exitCode !== null) assert.fail(`it ended by itself: ${complaint}`);
          if (size() > before && turn % 50 === 49) break;
        }
        child.kill("SIGKILL");
        await exit;
      }
      const last = start(directory, notes, "end");
      let complaint = "";
      last.stderr!.on("data", (data) => complaint += data);
      assert.equal(await ended(last), 0, complaint);
      const seen = readFileSync(notes, "utf8").trimEnd().split("\n");
      const different = new Set(seen);
      for (const shard of log.shards) {
        for (let offset = 0; offset < shard.written; offset++) {
          assert.ok(different.has(`${shard.id}/${offset}`), `${shard.id}/${offset} was never delivered`);
        }
      }
      assert.equal(different.size, appended);
      const [info] = await log.consumers();
      assert.equal(info.total, 0);
      assert.ok(kills > 0);
      console.log(`${appended} records, ${seen.length - appended} of them delivered again after ${kills} kills`);
    }));
});
