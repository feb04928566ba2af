/** Lets a disk break behind a program that waits for nothing, and prints how that went. */
import process from "node:process";
import { openLog } from "../../mod.ts";
import { ControlledVfs, failFrom } from "../shard/controlled_vfs.ts";

const { directory, breaks } = JSON.parse(process.argv[2]) as { directory: string; breaks: "write" | "sync" };

let unhandled = 0;
process.on("exit", () => console.log(JSON.stringify({ unhandled, reported, state: log.shard(0).state })));
if (process.versions.deno === undefined) process.on("unhandledRejection", () => unhandled++);

let reported = 0;
const vfs = new ControlledVfs();
const log = await openLog(directory, { vfs, flushIntervalMs: 1, durability: "disk", onError: () => reported++ });
await log.append({ value: "kept" });
vfs.control = failFrom(1, ({ kind, path }) => kind === breaks && path.endsWith(".log"));
for await (const _ of log.read()) log.shard(0).tryAppend({ value: "lost" });
