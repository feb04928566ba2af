/** Takes and releases locks as its standard input says, one JSON object a line; answers each with one line. */
import process from "node:process";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { runtimeVfs } from "../../adapters/runtime.ts";
import { VfsError, type VfsLock } from "../../src/vfs.ts";

interface Request {
  do: "lock" | "lock and forget" | "release" | "collect";
  path: string;
  mode: "exclusive" | "shared";
}

const vfs = runtimeVfs();
const locks: VfsLock[] = [];

async function answer(request: Request): Promise<string> {
  if (request.do === "release") {
    for (const lock of locks.splice(0)) await lock.release();
    return "released";
  }
  if (request.do === "collect") {
    const { gc, Bun } = globalThis as unknown as { gc?: () => void; Bun?: { gc(force: boolean): void } };
    for (let i = 0; i < 5; i++) {
      if (Bun !== undefined) Bun.gc(true);
      else gc?.();
      await sleep(10);
    }
    return Bun !== undefined || gc !== undefined ? "collected" : "no collector";
  }
  try {
    const lock = await vfs.lock(request.path, request.mode);
    if (request.do === "lock") locks.push(lock);
    return "held";
  } catch (error) {
    return error instanceof VfsError ? error.code : String(error);
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(await answer(JSON.parse(line) as Request));
}
