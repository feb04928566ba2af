/** The programs in docs/operations.md run as a user's own, and print what the document says. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { promisify } from "node:util";
import { useDirectory } from "../helpers.ts";

const root = new URL("../../", import.meta.url);
const text = readFileSync(new URL("docs/operations.md", root), "utf8");
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
        const entry = JSON.stringify(new URL("mod.ts", root).href);
        writeFileSync(join(directory, "main.ts"), code.replaceAll('"@bimip/log"', entry));
        writeFileSync(join(directory, "package.json"), '{ "type": "module" }');
        const before = process.versions.deno === undefined ? [] : ["run", "-A", "--no-config"];
        const { stdout } = await promisify(execFile)(process.execPath, [...before, "main.ts"], { cwd: directory });
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
