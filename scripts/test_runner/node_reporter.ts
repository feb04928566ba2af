/** A reporter for `node:test` that writes the final counts as one line of JSON. */
import type { TestEvent } from "node:test/reporters";

export default async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const event of events) {
    if (event.type === "test:summary") yield JSON.stringify({ counts: event.data.counts }) + "\n";
  }
}
