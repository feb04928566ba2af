/** The examples of docs/kafka.md run, against a real broker, and print what the document says. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { promisify } from "node:util";
import { useDirectory } from "../helpers.ts";
import { useBroker, whyNoKafka } from "./broker.ts";

const root = new URL("../../", import.meta.url);
const BROKER = "127.0.0.1:9092";
const text = readFileSync(new URL("docs/kafka.md", root), "utf8");
const examples = [...text.matchAll(/^```ts\n([\s\S]*?)^```\n\n```text\n([\s\S]*?)^```$/gm)];

/** Runs them one after the other, as one user does, in one directory. */
async function run(directory: string, code: string, address: string): Promise<string> {
  const linked = code
    .replaceAll('"@bimip/log/kafka"', JSON.stringify(new URL("kafka.ts", root).href))
    .replaceAll('"@bimip/log"', JSON.stringify(new URL("mod.ts", root).href))
    .replaceAll(BROKER, address);
  writeFileSync(join(directory, "example.ts"), linked);
  writeFileSync(join(directory, "package.json"), '{ "type": "module" }');
  const before = process.versions.deno === undefined ? [] : ["run", "-A", "--no-config"];
  const { stdout } = await promisify(execFile)(process.execPath, [...before, "example.ts"], { cwd: directory });
  return stdout;
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
          await broker.createTopic("chat", 4);
          const remote = examples.filter(([, code]) => code.includes(BROKER));
          assert.equal(remote.length, 2);
          for (const [, code, expected] of remote) assert.equal(await run(directory, code, broker.address), expected);
        })
      ),
  );
});
