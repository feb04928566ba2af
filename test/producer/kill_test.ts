/** SIGKILL to a process whose workers append: what was acknowledged to them is there, in order. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { createInterface } from "node:readline";
import { describe, it } from "node:test";
import { openLog } from "../../mod.ts";
import { collect, useDirectory } from "../helpers.ts";
import { byName, expectIntact } from "./expect.ts";

const KILLS = 3;

function startChild(directory: string): ChildProcess {
  const program = new URL("./killed.ts", import.meta.url).pathname;
  const before = process.versions.deno === undefined ? [] : ["run", "-A"];
  return spawn(process.execPath, [...before, program, directory], { stdio: ["ignore", "pipe", "inherit"] });
}

describe("SIGKILL while workers append", () => {
  it("loses nothing that was acknowledged to a worker, and leaves no hole", () =>
    useDirectory(async (directory) => {
      for (let life = 0; life < KILLS; life++) {
        const child = startChild(directory);
        const exited = once(child, "exit");
        const acknowledged = new Map<string, number>();
        let lines = 0;
        for await (const line of createInterface({ input: child.stdout! })) {
          const [name, number] = line.split(" ");
          acknowledged.set(name, Number(number));
          if (acknowledged.size === 2 && ++lines === 20 + 15 * life) process.kill(child.pid!, "SIGKILL");
        }
        await exited;
        const log = await openLog(directory, { topic: "log" });
        const records = await collect(log.read());
        assert.equal(records.length, log.shard(0).nextOffset);
        const found = byName(records);
        for (const [name, number] of acknowledged) {
          assert.ok(found.get(name)!.length > number, `${name} ${number}`);
        }
        for (const [name, numbers] of found) assert.deepEqual(numbers, numbers.map((_, i) => i), name);
        assert.ok(acknowledged.size >= 2);
        await log.close();
        await expectIntact(directory);
      }
    }));
});
