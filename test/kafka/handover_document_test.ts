/** The examples of docs/handover.md run one after the other, as a user's programs, and print what the document says. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { promisify } from "node:util";
import { useDirectory } from "../helpers.ts";
import { useBroker, whyNoKafka } from "./broker.ts";
import { createTopic } from "./create_topics.ts";

const root = new URL("../../", import.meta.url);
const text = readFileSync(new URL("docs/handover.md", root), "utf8");
const examples = [...text.matchAll(/^```ts\n([\s\S]*?)^```\n\n```text\n([\s\S]*?)^```/gm)].map(([, code, prints]) => ({
  code,
  prints,
}));
const needsBroker = ({ code }: { code: string }) => code.includes("127.0.0.1:9092");

async function run(directory: string, code: string): Promise<string> {
  const linked = code
    .replaceAll('"@bimip/log/kafka"', JSON.stringify(new URL("kafka.ts", root).href))
    .replaceAll('"@bimip/log"', JSON.stringify(new URL("mod.ts", root).href));
  writeFileSync(join(directory, "package.json"), '{ "type": "module" }');
  writeFileSync(join(directory, "example.ts"), linked);
  const before = process.versions.deno === undefined ? [] : ["run", "-A", "--no-config"];
  const words = [...before, "example.ts"];
  return (await promisify(execFile)(process.execPath, words, { cwd: directory, timeout: 30_000 })).stdout;
}

describe("docs/handover.md", () => {
  it("has an example for each way, and the entry one", () => {
    assert.equal(examples.length, 4);
    assert.equal(examples.filter(needsBroker).length, 2);
  });

  it("has examples on files that run and print what it says", () =>
    useDirectory(async (directory) => {
      for (const example of examples.filter((example) => !needsBroker(example))) {
        assert.equal(await run(directory, example.code), example.prints);
      }
    }));

  it(
    "has an example on a cluster that runs and prints what it says",
    { skip: whyNoKafka() },
    () =>
      useDirectory((directory) =>
        useBroker(async (broker) => {
          await createTopic(broker, "chat", 2);
          for (const { code, prints } of examples.filter(needsBroker)) {
            assert.equal(await run(directory, code.replace("127.0.0.1:9092", broker.address)), prints);
          }
        })
      ),
  );

  it("and so does the one of the entry", () =>
    useDirectory(async (directory) => {
      const entry = readFileSync(new URL("kafka.ts", root), "utf8").replace(/^ \* ?/gm, "");
      const [, code] = /^```ts\n([\s\S]*?)^```$/m.exec(entry)!;
      if (code.includes("handoverToKafka")) {
        assert.match(await run(directory, code), /Create the topic with 2 partitions/);
      }
    }));
});
