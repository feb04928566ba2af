/** What one flipped bit costs a log of a million messages, and who says so. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { programOf } from "../conformance/processes.ts";
import { announceSeed } from "../fixtures/seed.ts";
import { useDirectory } from "../helpers.ts";
import { CURRENT } from "./children.ts";
import type { Flip } from "./million/flips.ts";
import { countFrom } from "./settings.ts";

const MESSAGES = 1_000_000;
/** Bits of `.log` files; elsewhere than on Node only where the environment asks for some. */
const BITS = countFrom("FAULT_BITS", CURRENT === "node" ? 3 : 0);
/** Where a batch's epoch stands: a leader sets it behind the checksum's back, and what it says is compared, not summed up. */
const EPOCH = { from: 12, to: 16 };
const SCRIPT = fileURLToPath(new URL("./million/flips.ts", import.meta.url));
const ARGUMENTS = CURRENT === "deno" ? ["run", "--quiet", "--no-check", "--allow-all"] : [];
const LIMIT_MS = 60_000;

/** Runs the flips in a program of their own. */
async function flips(directory: string, seed: number): Promise<Flip[]> {
  const child = spawn(programOf(CURRENT)!, [...ARGUMENTS, SCRIPT, directory, String(seed), String(BITS)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS + BITS * 5000);
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => output += text);
  const end = await new Promise<string>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve(String(signal ?? code)));
  });
  clearTimeout(timer);
  assert.equal(end, "0");
  return output.trimEnd().split("\n").map((line) => JSON.parse(line) as Flip);
}

describe(`a log of a million messages on ${CURRENT}`, () => {
  const skip = BITS === 0 && "runs on Node, and elsewhere with FAULT_BITS=3";
  it("loses at most one batch to a flipped bit, reads the rest, and names what is gone [faults 24, 25, 28, 29, 29a]", {
    skip,
  }, () =>
    useDirectory(async (parent) => {
      const seed = announceSeed("a million messages");
      const all = await flips(join(parent, "log"), seed);
      assert.equal(all.length, BITS + 3);
      const told: string[] = [];
      for (const { file, shard, byte, batch, records, wrong, gaps, stopped, damage } of all) {
        const what = `SEED=${seed}, ${file}, byte ${byte}`;
        assert.equal(wrong, 0, what);
        if (batch === undefined) {
          assert.deepEqual([records, gaps, stopped], [MESSAGES, [], undefined], what);
          // Bytes of a slot file that belong to no slot say nothing to anybody.
          for (const one of damage) assert.equal(one.file, file, what);
          continue;
        }
        const { first, last, position } = batch;
        const ofLog = damage.filter((one) => one.file.endsWith(".log"));
        assert.deepEqual(ofLog, [{ file, position, shard, range: [first, last] }], `${what}: what verify says`);
        if (byte - position >= EPOCH.from && byte - position < EPOCH.to) {
          assert.deepEqual(
            [records, gaps, stopped],
            [MESSAGES, [], undefined],
            `${what}: a wrong epoch costs no record`,
          );
          told.push("0");
          continue;
        }
        assert.deepEqual(gaps, [{ shard, from: first, to: last }], `${what}: the gap event`);
        assert.equal(records, MESSAGES - (last - first + 1), `${what}: the records that are left`);
        assert.deepEqual(
          stopped,
          { code: "CORRUPT_BATCH", position, range: [first, last] },
          `${what}: where a reader stops`,
        );
        told.push(`${last - first + 1}`);
      }
      console.log(`one flipped bit in ${MESSAGES} messages on ${CURRENT}: ${told.join(", ")} lost, and named`);
    }));
});
