/** The examples of docs/retention.md run, and print what the document says. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import { useDirectory } from "../helpers.ts";

const root = new URL("../../", import.meta.url);

describe("docs/retention.md", () => {
  const text = readFileSync(new URL("docs/retention.md", root), "utf8");
  const examples = [...text.matchAll(/^```ts\n([\s\S]*?)^```\n\n```text\n([\s\S]*?)^```/gm)];

  it("has a result behind each example", () => {
    assert.equal(examples.length, 3);
    assert.equal(text.match(/^```ts$/gm)?.length, 3);
  });

  for (const [i, [, code, prints]] of examples.entries()) {
    it(`example ${i + 1} runs and prints what it says`, () =>
      useDirectory(async (directory) => {
        const file = join(directory, "example.ts");
        const local = code.replaceAll('"@bimip/log"', JSON.stringify(new URL("mod.ts", root).href));
        writeFileSync(file, local.replaceAll('"./data/', `"${directory}/`));
        const { log } = console;
        const lines: string[] = [];
        console.log = (...values: unknown[]) => lines.push(values.join(" "));
        try {
          await import(pathToFileURL(file).href);
        } finally {
          console.log = log;
        }
        assert.equal(`${lines.join("\n")}\n`, prints);
      }));
  }
});
