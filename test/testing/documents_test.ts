/** The examples of docs/testing.md and of the doc strings run, and print what the document says. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { pathToFileURL } from "node:url";

const root = new URL("../../", import.meta.url);

interface Example {
  readonly name: string;
  readonly code: string;
  /** `…` stands for anything in a line. */
  readonly prints: string | undefined;
}

function documentExamples(): Example[] {
  const text = readFileSync(new URL("docs/testing.md", root), "utf8");
  return [...text.matchAll(/^```ts\n([\s\S]*?)^```\n(?:\n```text\n([\s\S]*?)^```)?/gm)].map(([, code, prints], i) => ({
    name: `docs/testing.md, example ${i + 1}`,
    code,
    prints,
  }));
}

function docStringExamples(): Example[] {
  const files = [
    "testing.ts",
    ...readdirSync(new URL("src/testing", root)).sort().map((name) => `src/testing/${name}`),
  ];
  return files.flatMap((file) => {
    const text = readFileSync(new URL(file, root), "utf8").replace(/^ \* ?/gm, "");
    return [...text.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, code], i) => ({
      name: `${file}, example ${i + 1}`,
      code,
      prints: undefined,
    }));
  });
}

/** Runs a program in this process; answers what it printed. */
async function run(code: string): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), "bimip-documents-"));
  const { log } = console;
  const lines: string[] = [];
  try {
    const file = join(directory, "example.ts");
    writeFileSync(file, code.replaceAll('"@bimip/log/testing"', JSON.stringify(new URL("testing.ts", root).href)));
    console.log = (...values: unknown[]) =>
      lines.push(values.map((value) => typeof value === "object" ? JSON.stringify(value) : String(value)).join(" "));
    await import(pathToFileURL(file).href);
  } finally {
    console.log = log;
    rmSync(directory, { recursive: true, force: true });
  }
  return lines.join("\n");
}

describe("the documents on testing", () => {
  const examples = [...documentExamples(), ...docStringExamples()];

  it("have examples", () => assert.ok(examples.length >= 6, `${examples.length}`));

  for (const { name, code, prints } of examples) {
    it(`${name} runs and prints what it says`, async () => {
      const printed = await run(code);
      const expected = prints ??
        [...code.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm)].map((match) => match[1]).join("\n");
      assert.notEqual(expected, "");
      const pattern = expected.trimEnd().split("…").map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")).join(
        ".+",
      );
      assert.match(printed, new RegExp(`^${pattern}$`), `expected:\n${expected}\nprinted:\n${printed}`);
    });
  }
});
