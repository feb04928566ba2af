/** The lock between real processes of all runtimes, and between threads. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { Worker } from "node:worker_threads";
import { runtimeVfs } from "../../adapters/runtime.ts";
import { type RuntimeName, TestProcess, whySkipped } from "./processes.ts";
import { fails, useDirectory } from "./subject.ts";

const RUNTIMES: readonly RuntimeName[] = ["node", "bun", "deno"];
const MODES = ["exclusive", "shared"] as const;

/** Runs `body` with a path for a lock and ends every process it starts. */
function use(body: (path: string, start: (runtime: RuntimeName) => TestProcess) => Promise<void>): Promise<void> {
  return useDirectory(async (directory) => {
    const processes: TestProcess[] = [];
    const start = (runtime: RuntimeName): TestProcess => {
      const started = TestProcess.script(runtime, "lock_holder.ts");
      processes.push(started);
      return started;
    };
    try {
      await body(join(directory, "lock"), start);
    } finally {
      await Promise.all(processes.map((started) => started.kill()));
    }
  });
}

describe("lock between processes", () => {
  for (const holder of RUNTIMES) {
    for (const other of RUNTIMES) {
      it(
        `held on ${holder} against ${other} [fault 44]`,
        { skip: whySkipped(holder, other) },
        () =>
          use(async (path, start) => {
            const [a, b] = [start(holder), start(other)];
            for (const held of MODES) {
              for (const wanted of MODES) {
                const expected = held === "shared" && wanted === "shared" ? "held" : "BUSY";
                assert.equal(await a.ask({ do: "lock", path, mode: held }), "held");
                assert.equal(await b.ask({ do: "lock", path, mode: wanted }), expected, `${held} against ${wanted}`);
                assert.equal(await b.ask({ do: "release" }), "released");
                assert.equal(await a.ask({ do: "release" }), "released");
                assert.equal(await b.ask({ do: "lock", path, mode: wanted }), "held", "It was not freed");
                assert.equal(await b.ask({ do: "release" }), "released");
              }
            }
          }),
      );
    }
  }

  for (const runtime of RUNTIMES) {
    const skip = whySkipped(runtime);

    it(`is freed by SIGKILL of its holder on ${runtime}`, { skip }, () =>
      use(async (path, start) => {
        for (const mode of MODES) {
          const holder = start(runtime);
          assert.equal(await holder.ask({ do: "lock", path, mode }), "held");
          await fails("BUSY", () => runtimeVfs().lock(path, "exclusive"));
          assert.equal((await holder.kill()).signal, "SIGKILL");
          await (await runtimeVfs().lock(path, "exclusive")).release();
        }
      }));

    it(`survives the garbage collector on ${runtime}`, { skip }, () =>
      use(async (path, start) => {
        const holder = start(runtime);
        assert.equal(await holder.ask({ do: "lock and forget", path, mode: "exclusive" }), "held");
        assert.equal(await holder.ask({ do: "collect" }), "collected");
        await fails("BUSY", () => runtimeVfs().lock(path, "exclusive"));
      }));

    it(`prints no warning and lets the process end on ${runtime}`, { skip }, () =>
      use(async (path, start) => {
        const holder = start(runtime);
        assert.equal(await holder.ask({ do: "lock", path, mode: "exclusive" }), "held");
        const { exitCode, stderr, stdout } = await holder.end();
        assert.deepEqual({ exitCode, stderr, stdout }, { exitCode: 0, stderr: "", stdout: "held\n" });
        await (await runtimeVfs().lock(path, "exclusive")).release();
      }));
  }
});

/** What a thread of this process meets that tries to take the lock. */
function inThread(path: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./lock_thread.ts", import.meta.url), { workerData: path });
    worker.once("error", reject);
    worker.once("message", (message) => void worker.terminate().then(() => resolve(message)));
  });
}

describe("lock in one process", () => {
  it("excludes other threads [fault 44]", () =>
    use(async (path) => {
      const lock = await runtimeVfs().lock(path, "exclusive");
      assert.equal(await inThread(path), "BUSY");
      await lock.release();
      assert.equal(await inThread(path), "held");
    }));

  // Closing any descriptor of the file would drop the lock of the whole process: only another process sees that.
  it(
    "keeps out other processes after refused attempts of its own",
    { skip: whySkipped("node") },
    () =>
      use(async (path, start) => {
        const lock = await runtimeVfs().lock(path, "exclusive");
        await fails("BUSY", () => runtimeVfs().lock(path, "shared"));
        await fails("BUSY", () => runtimeVfs().lock(path, "exclusive"));
        assert.equal(await inThread(path), "BUSY");
        assert.equal(await start("node").ask({ do: "lock", path, mode: "shared" }), "BUSY");
        await lock.release();
      }),
  );

  it("refuses a file that holds something, and leaves it as it is", () =>
    use(async (path) => {
      for (const content of ["hello", "x".repeat(5000), "SQLite format 3\0".padEnd(4096, "\0")]) {
        writeFileSync(path, content);
        const failure = await fails("IO", () => runtimeVfs().lock(path, "exclusive"));
        assert.match(failure.message, /not a lock file/);
        assert.equal(readFileSync(path, "latin1"), content);
      }
    }));
});
