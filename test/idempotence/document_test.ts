/** The examples of docs/exactly_once.md run, and print what the document says. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readDocument, runHere } from "../documents.ts";
import { useDirectory } from "../helpers.ts";

describe("docs/exactly_once.md", () => {
  const text = readDocument("docs/exactly_once.md");
  const examples = [...text.matchAll(/^```ts\n([\s\S]*?)^```\n\n```text\n([\s\S]*?)^```/gm)];

  it("has a result behind each example", () => {
    assert.equal(examples.length, 3);
    assert.equal(text.match(/^```ts$/gm)?.length, 3);
  });

  for (const [i, [, code, prints]] of examples.entries()) {
    it(`example ${i + 1} runs and prints what it says`, () =>
      useDirectory(async (directory) => assert.equal(await runHere(directory, code), prints)));
  }
});
