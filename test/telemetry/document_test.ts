/** The programs in docs/operations.md run as a user's own, and print what the document says. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readDocument, runFiles } from "../documents.ts";
import { useDirectory } from "../helpers.ts";

const text = readDocument("docs/operations.md");
const programs = [...text.matchAll(/^## (.*)\n|^```ts\n([\s\S]*?)^```\n\n```text\n([\s\S]*?)^```$/gm)];

describe("docs/operations.md", () => {
  let heading = "";
  let count = 0;
  for (const [, title, code, prints] of programs) {
    if (title !== undefined) {
      heading = title;
      continue;
    }
    count++;
    it(`${heading}: runs and prints what it says`, () =>
      useDirectory(async (directory) => {
        const stdout = await runFiles(directory, [{ name: "main.ts", code }]);
        const pattern = prints.trimEnd().split("…").map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")).join(
          ".*",
        );
        // What a machine may add of its own stands behind the end.
        assert.match(stdout, new RegExp(`^${pattern}`), stdout);
      }));
  }

  it("has a program with its output for every feature", () => {
    assert.equal(count, 5);
    assert.equal(count, text.split("```ts\n").length - 1, "each one says what it prints");
  });
});
