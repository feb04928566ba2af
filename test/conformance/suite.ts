/**
 * The conformance suite: holds an adapter to every sentence of `src/vfs.ts` that can be tested from outside.
 * It runs against every adapter.
 */
import { describe } from "node:test";
import { describeDirectories } from "./directories.ts";
import { describeFacts } from "./facts.ts";
import { describeFiles } from "./files.ts";
import { describeLinks } from "./links.ts";
import { describeLocks } from "./locks.ts";
import { describeMemoryKinds } from "./memory_kinds.ts";
import { describeOpening } from "./opening.ts";
import type { Lacks, MakeVfs } from "./subject.ts";

/** Registers the suite for one adapter. `lacks` declares what the adapter cannot do, with the reason. */
export function describeVfs(name: string, makeVfs: MakeVfs, lacks: Lacks = {}): void {
  describe(`file system of ${name}`, () => {
    describeOpening(makeVfs, lacks);
    describeFiles(makeVfs);
    describeMemoryKinds(makeVfs, lacks);
    describeDirectories(makeVfs, lacks);
    describeLinks(makeVfs);
    describeFacts(makeVfs);
    describeLocks(makeVfs, lacks);
  });
}
