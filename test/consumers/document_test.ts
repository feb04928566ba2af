/** The examples of docs/consumers.md run as a user's files, and print what the document says. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { promisify } from "node:util";
import { useDirectory } from "../helpers.ts";

const root = new URL("../../", import.meta.url);
const text = readFileSync(new URL("docs/consumers.md", root), "utf8");
const expected = [...text.matchAll(/^```text\n([\s\S]*?)^```$/gm)].map((match) => match[1]);
const blocks = [...text.matchAll(/^```ts\n(?:\/\/ (\w+\.ts)\n)?([\s\S]*?)^```\n/gm)].map(([, name, code]) => ({
  name,
  code,
}));

async function run(files: readonly { readonly name: string; readonly code: string }[]): Promise<string> {
  let printed = "";
  await useDirectory(async (directory) => {
    for (const { name, code } of files) {
      const linked = code
        .replaceAll('"@bimip/log/consumer"', JSON.stringify(new URL("consumer.ts", root).href))
        .replaceAll('"@bimip/log"', JSON.stringify(new URL("mod.ts", root).href));
      writeFileSync(join(directory, name), linked);
    }
    writeFileSync(join(directory, "package.json"), '{ "type": "module" }');
    const before = process.versions.deno === undefined ? [] : ["run", "-A", "--no-config"];
    printed = (await promisify(execFile)(process.execPath, [...before, files[0].name], { cwd: directory })).stdout;
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
