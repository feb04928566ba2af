/**
 * Power cuts while the background sync of a finished segment hangs. What stands behind that segment must not count as
 * durable before the segment does: neither in the program that wrote it nor in the one that comes after its end.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { whySkipped } from "../conformance/processes.ts";
import { namesIn, reopen, until } from "../helpers.ts";
import { type Child, CURRENT, useChildren } from "./children.ts";
import { useImage, whyNoPowerCuts } from "./image.ts";
import { Ledger } from "./ledger.ts";
import type { WriteRequest } from "./writer/write.ts";
import { delaying, ONE_THREAD, whyNoTracer } from "./tracer.ts";

const skip = whySkipped(CURRENT) || whyNoPowerCuts() || whyNoTracer();
const FIRST = "00000000000000000000.log";
/** Longer than a test takes. */
const HANGING_MS = 10_000;
const OPTIONS = { topic: "log", durability: "os", flushIntervalMs: 0, segmentBytes: 3000, batchBytes: 300 } as const;

/** Asks a child to write on and on. */
async function write(child: Child, request: Partial<WriteRequest>): Promise<void> {
  await child.line(["ready"]);
  child.ask({ do: "write", directory: "", life: 1, shards: 1, seed: 7, steps: 10_000, options: OPTIONS, ...request });
  await child.line(["open"]);
}

/** Waits until the second segment is there, and then as long as a careless writer would need for an acknowledgement. */
async function rolled(directory: string): Promise<void> {
  await until(() => namesIn(join(directory, "log-0"), ".log").length > 1, "the first roll");
  await sleep(300);
}

describe(`power cuts during the sync of a finished segment on ${CURRENT}`, () => {
  it(
    "a writer acknowledges nothing on disk behind it [faults 11, 42: Linux, root]",
    { skip },
    () =>
      useImage((image) =>
        useChildren(async (children) => {
          image.make(32 * 1024 * 1024);
          image.mount();
          const directory = join(image.point, "log");
          const segment = join(directory, "log-0", FIRST);
          const ledger = new Ledger(1);
          const child = children.start(CURRENT, delaying([segment], "fdatasync", HANGING_MS));
          await write(child, { directory, disk: 0.5, osSteps: 24, options: { ...OPTIONS, segmentBytes: 100_000 } });
          await rolled(directory);
          image.shutDown("cut");
          await child.kill();
          assert.ok(child.lines.some((line) => line.startsWith("ack 0")), child.lines.join("\n"));
          ledger.take(child.lines);
          image.unmount();
          ledger.powerLost();
          image.mount();
          await reopen(directory, { shards: 1, topic: "log" }, (log) => ledger.check(log));
        })
      ),
  );

  it(
    "a writer that follows a killed one makes it durable first [fault 42: Linux, root]",
    { skip },
    () =>
      useImage((image) =>
        useChildren(async (children) => {
          image.make(32 * 1024 * 1024);
          image.mount();
          const directory = join(image.point, "log");
          const segment = join(directory, "log-0", FIRST);
          const ledger = new Ledger(1);
          const killed = children.start(CURRENT, delaying([segment], "fdatasync", HANGING_MS), ONE_THREAD);
          // On `os` only: the first sync is the one that hangs.
          await write(killed, { directory, disk: 0 });
          await rolled(directory);
          await killed.kill();
          ledger.take(killed.lines);
          const next = children.start(CURRENT);
          await write(next, { directory, life: 2, disk: 1 });
          await next.saidLines(20, 5000);
          image.shutDown("cut");
          await next.kill();
          ledger.take(next.lines);
          assert.ok(next.lines.some((line) => line.endsWith(" disk")), next.lines.join("\n"));
          image.unmount();
          ledger.powerLost();
          image.mount();
          await reopen(directory, { shards: 1, topic: "log" }, (log) => ledger.check(log));
        })
      ),
  );
});
