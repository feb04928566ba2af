/** A reporter for `node:test` that tells at once how each test ended: a line of JSON each, to `EVENTS_FD`. */
import { writeSync } from "node:fs";
import { flushCompileCache } from "node:module";
import type { TestEvent } from "node:test/reporters";

/** A pipe of its own, on which writing waits: what the tests print goes elsewhere. */
export const EVENTS_FD = 3;

/** How one test ended. */
export interface TestEnd {
  readonly passed: boolean;
  readonly name: string;
  /** Where it stands, absolute; `undefined` where the runtime does not know. */
  readonly file: string | undefined;
  readonly ms: number;
  /** Why it failed. */
  readonly reason: string | undefined;
}

export default async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  yield "";
  for await (const event of events) {
    if (event.type !== "test:pass" && event.type !== "test:fail") continue;
    const { name, file, todo, details } = event.data;
    const passed = event.type === "test:pass" || (todo !== undefined && todo !== false);
    const error = passed ? undefined : (details as { error: Error & { failureType?: string } }).error;
    // A suite fails with its tests, and they have been told.
    if (details.type === "suite" && (passed || error?.failureType === "subtestsFailed")) continue;
    // Whoever listens may end this process at the first failure; what was compiled is of use to the next one.
    if (!passed) flushCompileCache();
    const reason = error && String(error.cause instanceof Error ? error.cause.stack : error.cause ?? error.message);
    const end: TestEnd = { passed, name, file, ms: details.duration_ms, reason };
    // Not through the stream: a test that never waits for the system would hold it back until it has ended.
    writeSync(EVENTS_FD, `${JSON.stringify(end)}\n`);
  }
}
