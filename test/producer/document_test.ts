/** The example of docs/producers.md runs as two files of a user, and prints what the document says. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { promisify } from "node:util";
import { useDirectory } from "../helpers.ts";

const root = new URL("../../", import.meta.url);

describe("docs/producers.md", () => {
  it("has an example that runs and prints what it says", () =>
    useDirectory(async (directory) => {
      const text = readFileSync(new URL("docs/producers.md", root), "utf8");
      const files = [...text.matchAll(/^```ts\n\/\/ (\w+\.ts)\n([\s\S]*?)^```\n/gm)];
      assert.deepEqual(files.map(([, name]) => name), ["main.ts", "worker.ts"]);
      for (const [, name, code] of files) {
        const linked = code
          .replaceAll('"@bimip/log/producer"', JSON.stringify(new URL("producer.ts", root).href))
          .replaceAll('"@bimip/log"', JSON.stringify(new URL("mod.ts", root).href));
        writeFileSync(join(directory, name), linked);
      }
      writeFileSync(join(directory, "package.json"), '{ "type": "module" }');
      const [, expected] = /^```text\n([\s\S]*?)^```$/m.exec(text)!;
      const before = process.versions.deno === undefined ? [] : ["run", "-A", "--no-config"];
      const { stdout } = await promisify(execFile)(process.execPath, [...before, "main.ts"], { cwd: directory });
      assert.equal(stdout, expected);
    }));
});
