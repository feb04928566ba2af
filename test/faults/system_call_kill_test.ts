/**
 * SIGKILL at system calls: a short life of a writer is killed at its first write, its second, …, and so at every sync,
 * rename, truncate and creation; then a recovery is killed so, and the recovery after that.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { appendFileSync, cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { SeededRandom } from "../../adapters/memory/random.ts";
import { runtimeVfs } from "../../adapters/runtime.ts";
import { openLog } from "../../mod.ts";
import { whySkipped } from "../conformance/processes.ts";
import { announceSeed } from "../fixtures/seed.ts";
import { filled, reopen, take, useDirectory } from "../helpers.ts";
import { type Child, type Children, CURRENT, useChildren } from "./children.ts";
import { Ledger } from "./ledger.ts";
import { momentOf } from "./moment.ts";
import { valueAt } from "./payload.ts";
import { POINTS, Tally } from "./settings.ts";
import { killingAt, ONE_THREAD, type Point, pointsOf, tracedCalls, tracing, whyNoTracer } from "./tracer.ts";
import type { WriteRequest } from "./writer/write.ts";

const seed = announceSeed("system calls");
const skip = whySkipped(CURRENT) || whyNoTracer();
const SHARDS = 2;
/** Programs that run at the same time. */
const AT_ONCE = 2;

/** A life that opens, rolls, syncs and closes within some hundred calls, the same each time. */
function shortLife(directory: string, life: number): WriteRequest {
  const options = { topic: "log", durability: "os", flushIntervalMs: 0, segmentBytes: 3000, batchBytes: 1000 } as const;
  return { do: "write", directory, shards: SHARDS, life, seed: 11, lives: 1, steps: 10, disk: 0.3, options };
}

/** Runs a child's request until it is killed or done; answers whether it was killed. */
async function runToEnd(child: Child, request: WriteRequest): Promise<boolean> {
  await child.line(["ready"]);
  child.ask(request);
  await child.line(["done"]).catch(() => {});
  return (await child.end()).signal === "SIGKILL";
}

/** Learns which calls a request makes; the paths are below `directory`. */
async function learnPoints(children: Children, request: WriteRequest): Promise<{ points: Point[]; names: string[] }> {
  const { directory } = request;
  const trace = `${directory}.trace`;
  const child = children.start(CURRENT, tracing(trace), ONE_THREAD);
  assert.equal(await runToEnd(child, request), false);
  assert.ok(!child.lines.some((line) => /^(failed|wrong|lost)/.test(line)), child.lines.join("\n"));
  const { points, paths } = pointsOf(tracedCalls(trace, directory), directory);
  return { points, names: paths.map((path) => path.slice(directory.length)) };
}

/** Some of the points, in random order; all where so many are wanted. */
function choose(points: Point[], random: SeededRandom): Point[] {
  return random.shuffle([...points]).slice(0, POINTS);
}

/** Works on all items, a few at a time. */
async function forEach<T>(items: readonly T[], work: (item: T, number: number) => Promise<void>): Promise<void> {
  const queue = items.entries();
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (const [number, item] of queue) await work(item, number);
  }));
}

/** Starts a child that dies at a point, lets it work, and takes note of what it said. */
async function killAt(
  children: Children,
  names: readonly string[],
  { call, n }: Point,
  request: WriteRequest,
  ledger: Ledger,
): Promise<boolean> {
  const paths = names.map((name) => request.directory + name);
  const child = children.start(CURRENT, killingAt(paths, call, n), ONE_THREAD);
  const killed = await runToEnd(child, request);
  assert.ok(!child.lines.some((line) => /^(failed|lost)/.test(line)), child.lines.join("\n"));
  ledger.take(child.lines);
  return killed;
}

async function recoverAndCheck(directory: string, ledger: Ledger): Promise<void> {
  // A log that was never finished being created holds nothing, so whoever comes may create it.
  await reopen(directory, { shards: SHARDS }, (log) => ledger.check(log));
  assert.ok(!ledger.verdicts.has("loss"), "the page cache lives, and yet something was lost");
}

describe(`SIGKILL at system calls on ${CURRENT}`, () => {
  it(
    "a writer loses nothing that was acknowledged [fault 41: Linux with strace]",
    { skip },
    () =>
      useDirectory((directory) =>
        useChildren(async (children) => {
          await children.warmUp(CURRENT);
          const { points, names } = await learnPoints(children, shortLife(join(directory, "whole"), 1));
          const tally = new Tally();
          const chosen = choose(points, new SeededRandom(seed));
          await forEach(chosen, async (point, number) => {
            const path = join(directory, `log-${number}`);
            const ledger = new Ledger(SHARDS);
            try {
              const killed = await killAt(children, names, point, shortLife(path, 1), ledger);
              tally.add(killed ? `at ${point.call}` : "not reached");
              tally.add(await momentOf(runtimeVfs(), path));
              await recoverAndCheck(path, ledger);
            } catch (error) {
              throw new Error(`killed at ${point.call} number ${point.n}`, { cause: error });
            }
          });
          console.log(`kills at calls on ${CURRENT}: ${chosen.length} of ${points.length} points: ${tally}`);
        })
      ),
  );

  it(
    "a recovery that is killed, and the one after it, change nothing [fault 40: Linux with strace]",
    { skip },
    () =>
      useDirectory((directory) =>
        useChildren(async (children) => {
          await children.warmUp(CURRENT);
          const template = join(directory, "template");
          const damaged = new Ledger(SHARDS);
          const tail = await makeDamaged(template, damaged);
          const whole = join(directory, "whole");
          cpSync(template, whole, { recursive: true });
          const { points, names } = await learnPoints(children, shortLife(whole, 2));
          const random = new SeededRandom(seed);
          const tally = new Tally();
          const chosen = choose(points, random).map((first) => ({ first, second: random.pick(points) }));
          await forEach(chosen, async ({ first, second }, number) => {
            const path = join(directory, `log-${number}`);
            cpSync(template, path, { recursive: true });
            const ledger = damaged.copy();
            try {
              for (const [i, point] of [first, second].entries()) {
                const killed = await killAt(children, names, point, shortLife(path, 2 + i), ledger);
                tally.add(killed ? `at ${point.call}` : "not reached");
              }
              await recoverAndCheck(path, ledger);
              assert.ok(isKept(path, tail), "the torn tail was not kept");
            } catch (error) {
              const what = `${first.call} number ${first.n}, then at ${second.call} number ${second.n}`;
              throw new Error(`SEED=${seed}, killed at ${what}`, { cause: error });
            }
          });
          console.log(`recoveries killed on ${CURRENT}: ${chosen.length} of ${points.length} points, twice: ${tally}`);
        })
      ),
  );
});

/**
 * What a crash can leave, all at once: a torn tail in shard 0, and in shard 1 a segment whose beginning never came. Answers
 * the torn tail.
 */
async function makeDamaged(directory: string, ledger: Ledger): Promise<Uint8Array> {
  const origin = `${directory}-origin`;
  const log = await openLog(origin, { shards: SHARDS, topic: "log", segmentBytes: 3000, batchBytes: 1000 });
  ledger.take([`open 1 0 0 clean clean`]);
  for (const { id } of log.shards) {
    for (let i = 0; i < 20; i++) take(log.shard(id), { value: valueAt(1, id, i) });
  }
  await log.flush("disk");
  for (const { id } of log.shards) take(log.shard(id), { value: valueAt(1, id, 20) });
  await log.flush("os");
  for (const { id } of log.shards) ledger.take([`ack ${id} 21 os`]);
  // A copy of an open log is what its end would leave.
  cpSync(origin, directory, { recursive: true });
  await log.close();
  const tail = filled(700, 3);
  const segments = readdirSync(join(directory, "log-0")).filter((name) => name.endsWith(".log")).sort();
  appendFileSync(join(directory, "log-0", segments.at(-1)!), tail);
  writeFileSync(join(directory, "log-1", `${"25".padStart(20, "0")}.log`), filled(300, 4));
  return tail;
}

/** True where a quarantine file of shard 0 holds the tail. */
function isKept(directory: string, tail: Uint8Array): boolean {
  const shard = join(directory, "log-0");
  const copies = readdirSync(shard).filter((name) => name.startsWith("quarantine-"));
  return copies.some((name) => Buffer.compare(readFileSync(join(shard, name)), tail) === 0);
}
