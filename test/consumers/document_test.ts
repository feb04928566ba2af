/** The examples of docs/consumers.md run as a user's files, and print what the document says. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readDocument, runFiles } from "../documents.ts";
import { useDirectory } from "../helpers.ts";

const text = readDocument("docs/consumers.md");
const expected = [...text.matchAll(/^```text\n([\s\S]*?)^```$/gm)].map((match) => match[1]);
const blocks = [...text.matchAll(/^```ts\n(?:\/\/ (\w+\.ts)\n)?([\s\S]*?)^```\n/gm)].map(([, name, code]) => ({
  name,
  code,
}));

async function run(files: readonly { readonly name: string; readonly code: string }[]): Promise<string> {
  let printed = "";
  await useDirectory(async (directory) => {
    printed = await runFiles(directory, files);
  });
  return printed;
}

describe("docs/consumers.md", () => {
  it("has the examples that are run here", () => {
    assert.deepEqual(blocks.map(({ name }) => name), [undefined, undefined, "main.ts", "worker.ts"]);
    assert.equal(expected.length, 3);
  });

  for (const [i, title] of ["a first loop", "a job queue"].entries()) {
    it(`${title} prints what it says`, async () => {
      assert.equal(await run([{ name: "main.mts", code: blocks[i].code }]), expected[i]);
    });
  }

  it("workers print what it says", async () => {
    assert.equal(await run(blocks.slice(2) as { name: string; code: string }[]), expected[2]);
  });
});
