/** Uses every part of a file system in the directory it is told, and prints what came of it as JSON. */
import process from "node:process";
import { runtimeVfs } from "../../adapters/runtime.ts";
import { bytesAt, contentOf } from "./subject.ts";

const directory = process.argv[2];
const vfs = runtimeVfs();
const outcome: Record<string, unknown> = { runtime: vfs.host.runtime, pid: vfs.host.pid };

await vfs.makeDirectory(`${directory}/a/b`);
const lock = await vfs.lock(`${directory}/a/lock`, "exclusive");
const file = await vfs.open(`${directory}/a/file`, "create");
for (const size of [100, 1_000_000]) {
  await file.write(bytesAt(0, size), 0);
  await file.sync();
  const content = await contentOf(file);
  outcome[`wrote ${size}`] = content.every((byte, i) => byte === bytesAt(i, 1)[0]);
}
await file.truncate(10);
await file.close();
await vfs.rename(`${directory}/a/file`, `${directory}/a/b/file`);
await vfs.syncDirectory(`${directory}/a/b`);
outcome.names = (await vfs.list(`${directory}/a`)).map((entry) => entry.name);
await vfs.remove(`${directory}/a/b/file`);
outcome.left = (await vfs.list(`${directory}/a/b`)).length;
outcome.refusedLock = await Promise.try(() => vfs.lock(`${directory}/a/lock`, "shared")).catch((error) => error.code);
await lock.release();
outcome.instance = await vfs.instance(directory);
outcome.outside = await Promise.try(() => vfs.open(`${directory}-outside`, "create")).catch((error) =>
  `${error.code} ${error.message}`
);
console.log(JSON.stringify(outcome));
