/**
 * Which test files share a process.
 *
 * @module
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";

/** Test files that run in one process, one after the other. */
export interface Unit {
  /** The path of the only file, or the directory and which part of it. */
  readonly name: string;
  /** Paths below the root. */
  readonly files: readonly string[];
}

/**
 * Directories whose tests run in the process they are in and leave nothing behind there: a runtime that starts once for
 * several of them saves a tenth of the time of everything. The others kill, hang, or fill the machine by design.
 */
const SHARING = new Set([
  "adapters",
  "anchor",
  "backup",
  "batch",
  "cli",
  "conditional",
  "conformance",
  "consumers",
  "fuzz",
  "idempotence",
  "index",
  "log",
  "producer",
  "read",
  "recovery",
  "retention",
  "segment",
  "shard",
  "telemetry",
  "testing",
  "typed",
  "users",
  "wishes",
]);
/** With a broker for each it takes long; without, it is a few short tests. */
const KAFKA = "kafka";
/**
 * Tests that take long and are of code that is the same on every runtime, often with very many cases: they find next to
 * nothing on Bun and Deno that Node has not found.
 */
const BULK = [
  "backup/crash",
  "bench",
  "cli/backup",
  "cli/bench",
  "cli/completion",
  "cli/consumers",
  "cli/dump",
  "cli/info",
  "cli/progress",
  "cli/repair",
  "cli/top",
  "cli/trim",
  "cli/usage",
  "cli/verify",
  "examples/job_queue",
  "exhaustive",
  "fuzz",
  "read/merged_damage",
  "read/selection",
  "recovery",
  "simulation/checker",
  "users/user_costs",
  "users/user_streams",
].map((part) => `test/${part}`);

/** Whether a file takes long and is of code that is the same on every runtime. */
export function isBulk(file: string): boolean {
  return BULK.some((part) => file.startsWith(part));
}

/** Most files of a unit: the cores have to come out even, and what fails has to be found. */
const MOST = 11;

/** Every `*_test.ts` below `test/`. */
export function listTests(root: string): string[] {
  return readdirSync(join(root, "test"), { recursive: true })
    .map((path) => `test/${String(path).replaceAll("\\", "/")}`)
    .filter((path) => path.endsWith("_test.ts"))
    .sort();
}

/** Whether a file is chosen on a runtime: its path has a filter in it, or what stands behind `RUNTIME:` in one. */
export function isChosen(file: string, runtime: string, filters: readonly string[]): boolean {
  const parts = filters.map((filter) => filter.startsWith(`${runtime}:`) ? filter.slice(runtime.length + 1) : filter);
  return parts.length === 0 || parts.some((part) => file.includes(part));
}

/** One unit a file. */
export function apart(files: readonly string[]): Unit[] {
  return files.map((file) => ({ name: file, files: [file] }));
}

/**
 * Files of one directory together, as many as may share a process.
 *
 * @param withBrokers Whether tests start brokers of Kafka's.
 */
export function together(files: readonly string[], withBrokers: boolean): Unit[] {
  const units: Unit[] = [];
  for (const [directory, own] of Map.groupBy(files, (file) => file.slice(0, file.lastIndexOf("/")))) {
    const name = directory.split("/")[1];
    if (!SHARING.has(name) && (name !== KAFKA || withBrokers)) {
      units.push(...apart(own));
      continue;
    }
    const count = Math.ceil(own.length / MOST);
    for (let part = 0; part < count; part++) {
      // Neighbours in the alphabet are often alike, and alike slow: each part gets some of them.
      const some = own.filter((_, i) => i % count === part);
      const title = `${directory}/${count === 1 ? "" : ` part ${part + 1}`} (${some.length} files)`;
      units.push(some.length === 1 ? apart(some)[0] : { name: title, files: some });
    }
  }
  return units;
}
