/** Two programs that want to write the same log, on every pair of runtimes. */
import assert from "node:assert/strict";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { whySkipped } from "../conformance/processes.ts";
import { reopen, useDirectory } from "../helpers.ts";
import { type Child, type Children, CURRENT, RUNTIMES, useChildren } from "./children.ts";
import { Ledger } from "./ledger.ts";

/** "At once": a refusal that waited for the holder would never come. */
const AT_ONCE_MS = 2000;

/** Tries to open the log in another process, which must be refused at once and told by whom. */
async function assertLocked(other: Child, holder: Child, directory: string): Promise<void> {
  await other.line(["ready"]);
  other.ask({ do: "hold", directory });
  const refusal = await other.line(["failed", "held", "wrong"]);
  assert.match(refusal, /^failed LOCKED Cannot open the log in /);
  assert.ok(refusal.includes(`process ${holder.pid} (${holder.runtime} `), refusal);
  const waited = Number((await other.line(["after"])).split(" ")[1]);
  assert.ok(waited < AT_ONCE_MS, `refused after ${waited} ms`);
}

/** Starts a writer that works until it is ended. */
async function startWriter(children: Children, directory: string, shards: number): Promise<Child> {
  const writer = children.start(CURRENT);
  await writer.line(["ready"]);
  writer.ask({ do: "write", directory, shards, life: 1, seed: 5, steps: 1_000_000, options: { topic: "log" } });
  await writer.line(["ack"]);
  return writer;
}

describe(`two writers, the first on ${CURRENT}`, () => {
  for (const runtime of RUNTIMES) {
    it(
      `a second one on ${runtime} is refused at once [fault 44]`,
      { skip: whySkipped(CURRENT, runtime) },
      () =>
        useDirectory((directory) =>
          useChildren(async (children) => {
            const path = join(directory, "log");
            const [holder, other] = [children.start(CURRENT), children.start(runtime)];
            await holder.line(["ready"]);
            holder.ask({ do: "hold", directory: path });
            assert.equal(await holder.line(["held", "failed", "wrong"]), "held 0");
            await assertLocked(other, holder, path);
            await holder.kill();
            const asked = other.lines.length;
            other.ask({ do: "hold", directory: path });
            assert.equal(await other.line(["held", "failed", "wrong"], asked), "held 1");
          })
        ),
    );
  }

  it("a stopped one keeps the log and goes on afterwards; readers are not kept waiting [faults 44, 45: POSIX]", {
    skip: whySkipped(CURRENT) || (process.platform === "win32" && "Windows stops no processes"),
  }, () =>
    useDirectory((directory) =>
      useChildren(async (children) => {
        const path = join(directory, "log");
        const others = RUNTIMES.filter((runtime) => whySkipped(runtime) === false);
        const writer = await startWriter(children, path, 2);
        for (const runtime of others) {
          const ledger = new Ledger(2);
          writer.signal("SIGSTOP");
          await assertLocked(children.start(runtime), writer, path);
          ledger.take(writer.lines);
          await reopen(path, { readOnly: true }, (log) => ledger.check(log));
          const said = writer.lines.length;
          writer.signal("SIGCONT");
          await writer.line(["ack", "failed", "poisoned", "wrong"], said + 1);
        }
        await writer.kill();
        const ledger = new Ledger(2);
        ledger.take(writer.lines);
        await reopen(path, {}, (log) => ledger.check(log));
      })
    ));
});
