/** The examples of docs/kafka.md run, against a real broker, and print what the document says. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readDocument, runFiles } from "../documents.ts";
import { useDirectory } from "../helpers.ts";
import { useBroker, whyNoKafka } from "./broker.ts";
import { createTopic } from "./create_topics.ts";

const BROKER = "127.0.0.1:9092";
const text = readDocument("docs/kafka.md");
const examples = [...text.matchAll(/^```ts\n([\s\S]*?)^```\n\n```text\n([\s\S]*?)^```$/gm)];

/** Runs them one after the other, as one user does, in one directory. */
function run(directory: string, code: string, address: string): Promise<string> {
  return runFiles(directory, [{ name: "example.ts", code: code.replaceAll(BROKER, address) }]);
}

describe("docs/kafka.md", () => {
  it("has no example without its output", () => {
    assert.equal([...text.matchAll(/^```ts$/gm)].length, examples.length);
  });

  it("has examples that run without a broker", () =>
    useDirectory(async (directory) => {
      const local = examples.filter(([, code]) => !code.includes(BROKER));
      assert.equal(local.length, 2);
      for (const [, code, expected] of local) assert.equal(await run(directory, code, ""), expected);
    }));

  it(
    "has examples that run with one",
    { skip: whyNoKafka() },
    () =>
      useBroker((broker) =>
        useDirectory(async (directory) => {
          await createTopic(broker, "chat", 4);
          const remote = examples.filter(([, code]) => code.includes(BROKER));
          assert.equal(remote.length, 2);
          for (const [, code, expected] of remote) assert.equal(await run(directory, code, broker.address), expected);
        })
      ),
  );
});
