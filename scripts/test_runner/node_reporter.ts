/** A reporter for `node:test` that writes one line of JSON for each test with faults in its title, and the final counts as the last. */
import type { TestEvent } from "node:test/reporters";

export default async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const event of events) {
    if (event.type === "test:pass" && event.data.name.includes("[fault")) {
      const { name, skip } = event.data;
      yield JSON.stringify({ title: name, isSkipped: skip !== undefined && skip !== false }) + "\n";
    }
    if (event.type === "test:summary") yield JSON.stringify({ counts: event.data.counts }) + "\n";
  }
}
