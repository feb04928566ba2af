/** Whole directories with several files changed: opening and reading end, with records or with typed errors. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { seededRandom, simulatedClock } from "../../adapters/memory.ts";
import { noCodecs } from "../../src/batch/codecs.ts";
import { LogError } from "../../src/errors.ts";
import { openWith } from "../../src/log/open.ts";
import { verifyLog } from "../../src/verify/verify_log.ts";
import { DIRECTORY } from "../exhaustive/engine.ts";
import { goldenLogs } from "../exhaustive/golden.ts";
import { mutate, type Mutation, mutations, withTrueChecksum, withTrueRows, withTrueSlots } from "./mutator.ts";
import { SEED, settings } from "./run.ts";
import { watched } from "./watched_vfs.ts";

const goldens = await goldenLogs();
/** Records that a mutated log may hold are many more than it had, but never more than bytes allow. */
const MAX_RECORDS = 2000;
/** One case takes milliseconds. */
const LIMIT_MS = 3000;
console.log(`FUZZ_SEED=${SEED} replays these tests`);

interface Change {
  readonly file: number;
  readonly how: "bytes" | "checksums" | "remove";
  readonly list: Mutation[];
}

const changes: fc.Arbitrary<Change[]> = fc.array(
  fc.record({
    file: fc.nat(100),
    how: fc.constantFrom("bytes" as const, "bytes" as const, "checksums" as const, "remove" as const),
    list: mutations,
  }),
  { minLength: 1, maxLength: 3 },
);

/** The same file with checksums that fit where its kind has some. */
function honest(file: string, bytes: Uint8Array): Uint8Array {
  if (file.endsWith(".log")) return withTrueChecksum(bytes);
  if (file.endsWith(".idx")) return withTrueRows(bytes);
  return /anchor$|state$/.test(file) ? withTrueSlots(bytes) : bytes;
}

/** Time passes at once. */
function setTimer(callback: () => void): undefined {
  queueMicrotask(callback);
}

/** Fails where `body` does not end: nothing in it waits for anything but the simulated disk. */
async function ends(body: () => Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${LIMIT_MS} ms`)), LIMIT_MS);
  });
  try {
    await Promise.race([body(), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Runs `body`; only typed errors may leave it. Answers the code. */
async function typed(what: string, body: () => Promise<void>): Promise<string> {
  try {
    await body();
    return "ok";
  } catch (error) {
    if (error instanceof LogError) return error.code;
    throw new Error(`${what}: ${String(error)}`, { cause: error });
  }
}

describe("directories with changed files", () => {
  it("open, read, append, verify: typed errors only, bounded memory and time [faults 48, 49]", async () => {
    const codes = new Map<string, number>();
    let largest = 0;
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(fc.nat(goldens.length - 1), changes, fc.boolean(), (which, list, accept) =>
        ends(async () => {
          const golden = goldens[which];
          const vfs = golden.vfs.snapshot().boot();
          for (const { file, how, list: mutated } of list) {
            const path = golden.files[file % golden.files.length];
            if (how === "remove") {
              if (vfs.paths().includes(path.slice(1))) vfs.removeWhole(path);
              continue;
            }
            if (!vfs.paths().includes(path.slice(1))) continue;
            const bytes = mutate(vfs.readWhole(path), mutated);
            vfs.writeWhole(path, how === "checksums" ? honest(path, bytes) : bytes);
          }
          const engine = {
            vfs: watched(vfs, (bytes) => largest = Math.max(largest, bytes)),
            clock: simulatedClock(),
            random: seededRandom(1).fill,
            codecs: noCodecs,
          };
          for (const options of [{ readOnly: true }, { acceptDataLoss: accept }, {}]) {
            const name = JSON.stringify(options);
            const code = await typed(name, async () => {
              const log = await openWith(engine, DIRECTORY, {
                flushIntervalMs: Infinity,
                segmentBytes: 1024,
                ...options,
              });
              for (const shard of log.shards) {
                for (const onCorrupt of ["skip", "stop"] as const) {
                  const read = await typed(`${name} ${onCorrupt}`, async () => {
                    let records = 0;
                    let next = 0;
                    for await (const record of log.read({ shard: shard.id, onCorrupt })) {
                      assert.ok(++records < MAX_RECORDS);
                      assert.ok(record.offset >= next, "offsets go back");
                      next = record.offset + 1;
                    }
                  });
                  codes.set(`read ${read}`, (codes.get(`read ${read}`) ?? 0) + 1);
                }
                if (shard.state !== "open") continue;
                await typed(`${name} append`, async () => {
                  shard.tryAppend({ key: "k", value: "v" });
                  await shard.flush("disk");
                });
              }
              await log.close();
            });
            codes.set(`open ${code}`, (codes.get(`open ${code}`) ?? 0) + 1);
          }
          await typed("verify", async () => {
            // It looks twice, some time apart, before it calls a slot damaged.
            const clock = simulatedClock();
            const passing = { now: () => clock.now(), monotonic: () => clock.monotonic(), setTimer, clearTimer() {} };
            await verifyLog({ ...engine, clock: passing }, DIRECTORY, { damage() {}, note() {}, progress() {} });
          });
          assert.deepEqual(vfs.violations, []);
          runs++;
        })),
      settings(1500, 3000),
    );
    console.log(`${runs} directories:`, Object.fromEntries([...codes].sort()), `largest buffer ${largest} bytes`);
  });
});
