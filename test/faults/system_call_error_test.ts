/**
 * Errors of the system in the middle of a writer's life: a failed write or sync ends the shard, nothing is acknowledged
 * behind it, the sync is never tried again, and the log opens afterwards with everything that was acknowledged.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { whySkipped } from "../conformance/processes.ts";
import { reopen, useDirectory } from "../helpers.ts";
import { type Children, CURRENT, useChildren } from "./children.ts";
import { Ledger } from "./ledger.ts";
import { failing, ONE_THREAD, tracedCalls, whyNoTracer } from "./tracer.ts";

const skip = whySkipped(CURRENT) || whyNoTracer();

interface Fault {
  readonly name: string;
  /** File of the shard on which it happens; an empty name is the directory. */
  readonly file: string;
  readonly call: string;
  readonly error: string;
  readonly when: string;
  /** Code with which the shard gives up; `undefined`: it goes on. */
  readonly code: string | undefined;
  readonly disk?: number;
  readonly segmentBytes?: number;
}

const FIRST = "00000000000000000000";

const FAULTS: readonly Fault[] = [
  {
    name: "a sync that fails once and would succeed the next time",
    file: `${FIRST}.log`,
    call: "fdatasync",
    error: "EIO",
    when: "1",
    code: "IO",
  },
  {
    name: "a sync that fails from then on",
    file: `${FIRST}.log`,
    call: "fdatasync",
    error: "EIO",
    when: "2+",
    code: "IO",
  },
  {
    name: "the background sync of a finished segment",
    file: `${FIRST}.log`,
    call: "fdatasync",
    error: "EIO",
    when: "1",
    code: "IO",
    disk: 0,
    segmentBytes: 40_000,
  },
  { name: "a write of the log", file: `${FIRST}.log`, call: "pwrite64", error: "EIO", when: "3", code: "IO" },
  { name: "a full disk", file: `${FIRST}.log`, call: "pwrite64", error: "ENOSPC", when: "2+", code: "DISK_FULL" },
  { name: "a used-up quota", file: `${FIRST}.log`, call: "pwrite64", error: "EDQUOT", when: "2", code: "DISK_FULL" },
  { name: "a write of the anchor", file: "anchor", call: "pwrite64", error: "EIO", when: "4", code: "IO" },
  {
    name: "a full disk at the anchor",
    file: "anchor",
    call: "pwrite64",
    error: "ENOSPC",
    when: "3",
    code: "DISK_FULL",
  },
  { name: "the sync of the state", file: "state", call: "fdatasync", error: "EIO", when: "1", code: "IO" },
  { name: "the sync of the directory", file: "", call: "fsync", error: "EIO", when: "1", code: "IO" },
  { name: "a write of the index", file: `${FIRST}.idx`, call: "pwrite64", error: "EIO", when: "2", code: undefined },
  { name: "an interrupted write", file: `${FIRST}.log`, call: "pwrite64", error: "EINTR", when: "2", code: undefined },
  {
    name: "a write that should be tried again",
    file: "anchor",
    call: "pwrite64",
    error: "EAGAIN",
    when: "3",
    code: undefined,
  },
];

/** Runs a life with the fault on shard 0 and checks what the program said, did, and left. */
async function runFault(children: Children, directory: string, fault: Fault): Promise<string> {
  const shard = join(directory, "log-0");
  const trace = `${directory}.trace`;
  const paths = [fault.file === "" ? shard : join(shard, fault.file)];
  const wrapper = failing(paths, fault.call, fault.error, fault.when, trace);
  const child = children.start(CURRENT, wrapper, ONE_THREAD);
  await child.line(["ready"]);
  const { disk = 0.3, segmentBytes = 20_000 } = fault;
  const options = { topic: "log", durability: "os", flushIntervalMs: 0, segmentBytes, batchBytes: 1000 } as const;
  child.ask({ do: "write", directory, shards: 2, life: 1, seed: 11, lives: 1, steps: 60, disk, options });
  await child.line(["done"]);
  const ending = await child.end();
  assert.equal(ending.exitCode, 0, ending.stderr);

  const injected = tracedCalls(trace, shard).filter(({ line }) => line.includes("(INJECTED)"));
  assert.ok(injected.length > 0, "the fault never happened");
  const ledger = new Ledger(2);
  ledger.take(child.lines);
  const said = child.lines.join("\n");
  if (fault.code === undefined) {
    assert.ok(!/^(poisoned|lost|failed|refused)/m.test(said), said);
  } else {
    checkPoisoned(child.lines, fault.code, said);
    checkNoSecondTry(trace, shard);
  }
  await reopen(directory, {}, async (log) => {
    await ledger.check(log);
    ledger.take([`open 2 ${log.shards.map(({ nextOffset }) => nextOffset).join(" ")} clean clean`]);
    const { offset } = await log.shard(0).flush("disk").then(() => log.append({ value: "on it goes" }));
    assert.ok(offset >= 0);
  });
  return said;
}

/** Shard 0 gave up once, with this code, and nothing of it was acknowledged afterwards; shard 1 went on. */
function checkPoisoned(lines: readonly string[], code: string, said: string): void {
  const at = lines.findIndex((line) => line.startsWith("poisoned 0 "));
  assert.ok(at >= 0, `shard 0 did not give up:\n${said}`);
  assert.equal(lines[at].split(" ")[2], code, lines[at]);
  assert.equal(lines.filter((line) => line.startsWith("poisoned")).length, 1, said);
  const [, , , written, synced] = lines[at].split(" ");
  const after = lines.slice(at + 1);
  for (const line of after.filter((line) => line.startsWith("ack 0 "))) {
    // An acknowledgement that was given before may be heard a moment later.
    const [, , end, rung] = line.split(" ");
    assert.ok(Number(end) <= Number(rung === "disk" ? synced : written), `${line} after the failure:\n${said}`);
  }
  assert.ok(after.some((line) => line.startsWith("ack 1 ")), `shard 1 stopped too:\n${said}`);
  for (const line of lines) if (line.startsWith("lost")) assert.match(line, /^lost 0 (IO|DISK_FULL|POISONED)$/);
  const refused = after.filter((line) => line.startsWith("refused 0 "));
  assert.equal(refused.length, 4);
  for (const line of refused) assert.match(line, / POISONED$/);
  const failed = lines.filter((line) => line.startsWith("failed"));
  for (const line of failed) assert.match(line, /^failed (POISONED|IO|DISK_FULL) Cannot /);
}

/** After the first failed call nothing of the shard was synced any more, by any descriptor. */
function checkNoSecondTry(trace: string, shard: string): void {
  const calls = tracedCalls(trace, shard);
  const first = calls.findIndex(({ line }) => line.includes("(INJECTED)"));
  const later = calls.slice(first + 1).filter(({ call }) => call === "fdatasync" || call === "fsync");
  assert.deepEqual(later.map(({ line }) => line), [], "synced after the failure");
}

describe(`errors of the system on ${CURRENT}`, () => {
  for (const [number, fault] of FAULTS.entries()) {
    const what = fault.code === undefined ? "the log goes on" : `the shard gives up with ${fault.code}`;
    it(
      `${fault.name} (${fault.error}): ${what} [faults 1, 5, 6, 7, 10, 11: Linux with strace]`,
      { skip },
      () =>
        useDirectory((directory) =>
          useChildren(async (children) => {
            await runFault(children, join(directory, `log-${number}`), fault);
          })
        ),
    );
  }
});
