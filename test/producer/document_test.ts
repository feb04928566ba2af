/** The example of docs/producers.md runs as two files of a user, and prints what the document says. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readDocument, runFiles } from "../documents.ts";
import { useDirectory } from "../helpers.ts";

describe("docs/producers.md", () => {
  it("has an example that runs and prints what it says", () =>
    useDirectory(async (directory) => {
      const text = readDocument("docs/producers.md");
      const files = [...text.matchAll(/^```ts\n\/\/ (\w+\.ts)\n([\s\S]*?)^```\n/gm)];
      assert.deepEqual(files.map(([, name]) => name), ["main.ts", "worker.ts"]);
      const [, expected] = /^```text\n([\s\S]*?)^```$/m.exec(text)!;
      assert.equal(await runFiles(directory, files.map(([, name, code]) => ({ name, code }))), expected);
    }));
});
