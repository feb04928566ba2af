/** Faults of a file on `node:fs`: short writes, interruptions, a full disk, and closing too early. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, openSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { AT_ONCE_BYTES, type BackgroundWriter, PosixFile, threadPoolWriter } from "../../adapters/posix_file.ts";
import { runtimeVfs } from "../../adapters/runtime.ts";
import { type RuntimeName, TestProcess, whySkipped } from "./processes.ts";
import { bytesAt, fails, sameBytes, useDirectory } from "./subject.ts";

/** A file whose large writes fail as told: the system itself does so too seldom. */
function faulty(path: string, write: (writer: BackgroundWriter, call: number) => BackgroundWriter["write"]): PosixFile {
  const openWriter = (path: string, fd: number): BackgroundWriter => {
    const writer = threadPoolWriter(path, fd);
    let calls = 0;
    return { ...writer, write: (from, position) => write(writer, ++calls)(from, position) };
  };
  return new PosixFile({ path, fd: openSync(path, "w+"), mode: "write", direct: false, openWriter });
}

const LARGE = AT_ONCE_BYTES * 4;

/** As Deno reports it, without a code. */
const interrupted = (): Error => Object.assign(new Error("Interrupted (os error 4)"), { name: "Interrupted" });

describe("a write on node:fs", () => {
  it("goes on behind the bytes that a call took [fault 2]", () =>
    useDirectory(async (directory) => {
      const path = join(directory, "file");
      const lengths: number[] = [];
      const file = faulty(path, (writer, call) => (from, position) => {
        lengths.push(from.length);
        return writer.write(from.subarray(0, call === 1 ? 1 : call === 2 ? from.length - 1 : from.length), position);
      });
      await file.write(bytesAt(5, LARGE), 5);
      await file.close();
      assert.deepEqual(lengths, [LARGE, LARGE - 1, 1]);
      sameBytes(readFileSync(path).subarray(5), bytesAt(5, LARGE));
    }));

  it("fails when a call takes no byte [fault 2]", () =>
    useDirectory(async (directory) => {
      const file = faulty(join(directory, "file"), () => () => Promise.resolve(0));
      await fails("IO", () => file.write(bytesAt(0, LARGE), 0));
      await file.close();
    }));

  it("is tried again when it was interrupted, but not for ever [fault 5]", () =>
    useDirectory(async (directory) => {
      const path = join(directory, "file");
      let calls = 0;
      const file = faulty(path, (writer, call) => {
        calls = call;
        return call < 10 ? () => Promise.reject(interrupted()) : writer.write;
      });
      await file.write(bytesAt(0, LARGE), 0);
      await file.close();
      assert.equal(calls, 10);
      sameBytes(readFileSync(path), bytesAt(0, LARGE));

      const stuck = faulty(path, (_writer, call) => {
        calls = call;
        return () => Promise.reject(interrupted());
      });
      await fails("IO", () => stuck.write(bytesAt(0, LARGE), 0));
      await stuck.close();
      assert.ok(calls > 1 && calls < 100, `${calls} calls`);
    }));

  it("is not tried again after an unknown failure [fault 5]", () =>
    useDirectory(async (directory) => {
      let calls = 0;
      const file = faulty(join(directory, "file"), (_writer, call) => {
        calls = call;
        return () => Promise.reject(new Error("something new"));
      });
      const failure = await fails("IO", () => file.write(bytesAt(0, LARGE), 0));
      assert.match(failure.message, /something new/);
      assert.equal(calls, 1);
      await file.close();
    }));

  it("moves at most 64 MiB in one call", () =>
    useDirectory(async (directory) => {
      const lengths: number[] = [];
      const file = faulty(join(directory, "file"), () => (from) => {
        lengths.push(from.length);
        return Promise.resolve(from.length);
      });
      await file.write(new Uint8Array(130 * 1024 * 1024), 0);
      await file.close();
      assert.deepEqual(lengths, [64, 64, 2].map((mib) => mib * 1024 * 1024));
    }));

  it("fails with NO_SPACE on a full device, small or large", { skip: !existsSync("/dev/full") }, async () => {
    const file = new PosixFile({
      path: "/dev/full",
      fd: openSync("/dev/full", "r+"),
      mode: "write",
      direct: false,
      openWriter: threadPoolWriter,
    });
    const failure = await fails("NO_SPACE", () => file.write(bytesAt(0, 10), 0));
    assert.match(failure.message, /^Cannot write \/dev\/full: no space left/);
    await fails("NO_SPACE", () => file.write(bytesAt(0, LARGE), 0));
    await file.close();
  });
});

describe("closing on node:fs", () => {
  it("waits for what is in flight, and refuses what comes later", () =>
    useDirectory(async (directory) => {
      const path = join(directory, "file");
      const vfs = runtimeVfs();
      const file = await vfs.open(path, "create");
      const write = file.write(bytesAt(0, 8 << 20), 0);
      const closing = file.close();
      await fails("IO", () => file.write(bytesAt(0, 10), 0));
      // Whoever gets the number of a descriptor that was freed too early would receive the rest of the write.
      const other = await vfs.open(`${path}-other`, "create");
      await Promise.all([write, closing]);
      assert.equal(await other.size(), 0);
      await other.close();
      sameBytes(readFileSync(path), bytesAt(0, 8 << 20));
    }));
});

describe("opening on node:fs", () => {
  it(
    "does not wait for a writer of a planted pipe",
    { skip: process.platform === "win32" },
    () =>
      useDirectory(async (directory) => {
        const path = join(directory, "pipe");
        assert.equal(spawnSync("mkfifo", [path]).status, 0);
        for (const mode of ["read", "write"] as const) {
          assert.match((await fails("IO", () => runtimeVfs().open(path, mode))).message, /not a plain file/);
        }
      }),
  );
});

describe("a limit on the size of files", () => {
  for (const runtime of ["node", "bun", "deno"] as const satisfies readonly RuntimeName[]) {
    const skip = process.platform === "win32" ? "no such limit on Windows" : whySkipped(runtime);

    it(
      `cuts a write short and then fails with NO_SPACE on ${runtime} [faults 2, 3: POSIX]`,
      { skip },
      () =>
        useDirectory(async (directory) => {
          const path = join(directory, "file");
          const child = TestProcess.limited(runtime, "limited_writer.ts", path);
          const { stdout, stderr } = await child.ended;
          assert.equal(stdout, "small NO_SPACE\nlarge NO_SPACE\n", stderr);
          // The part below the limit was written; the caller has to cut it off.
          assert.equal(statSync(path).size, 204_800);
        }),
    );
  }
});
