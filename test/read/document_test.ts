/** The examples of docs/reading.md, and those in the doc strings of what it is about, compile, run, and print what is said. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const DOC_STRINGS = ["src/log/log_types.ts", "src/typed/codec.ts", "src/typed/typed.ts"];
const isNode = process.versions.bun === undefined && process.versions.deno === undefined;

interface Example {
  readonly name: string;
  readonly code: string;
  /** Undefined: it prints something. */
  readonly prints: string | undefined;
}

function examplesOf(file: string): Example[] {
  const isDocument = file.endsWith(".md");
  const source = readFileSync(join(ROOT, file), "utf8");
  const text = isDocument ? source : source.replace(/^ *\* ?/gm, "");
  return [...text.matchAll(/^```ts\n([\s\S]*?)^```\n(?:\n```text\n([\s\S]*?)^```)?/gm)].map(([, code, prints], i) => {
    assert.equal(isDocument, prints !== undefined, `${file}, example ${i + 1}: a document says what is printed`);
    return { name: `${file}, example ${i + 1}`, code, prints };
  });
}

const EXAMPLES = ["docs/reading.md", ...DOC_STRINGS].flatMap(examplesOf);

async function useScratch<T>(body: (directory: string) => T): Promise<Awaited<T>> {
  const directory = mkdtempSync(join(tmpdir(), "bimip-reading-"));
  try {
    return await body(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Runs a program in this process; answers what it printed. */
function run(code: string): Promise<string> {
  return useScratch(async (directory) => {
    const { log } = console;
    const lines: string[] = [];
    try {
      const file = join(directory, "example.ts");
      const placed = code.replaceAll('"@bimip/log"', JSON.stringify(pathToFileURL(join(ROOT, "mod.ts")).href))
        .replaceAll('"valibot"', JSON.stringify(import.meta.resolve("valibot")))
        .replaceAll('"./data/', `"${directory}/`);
      writeFileSync(file, placed);
      console.log = (...values: unknown[]) =>
        lines.push(values.map((value) => typeof value === "object" ? JSON.stringify(value) : String(value)).join(" "));
      await import(pathToFileURL(file).href);
    } finally {
      console.log = log;
    }
    return lines.join("\n");
  });
}

/** Fails with what the compiler says. */
function compileAll(directory: string): void {
  for (const [i, { code }] of EXAMPLES.entries()) writeFileSync(join(directory, `example_${i}.mts`), code);
  const configuration = {
    extends: join(ROOT, "tsconfig.json"),
    compilerOptions: {
      paths: { "@bimip/log": [join(ROOT, "mod.ts")], valibot: [join(ROOT, "node_modules/valibot/dist/index.d.mts")] },
      typeRoots: [join(ROOT, "node_modules/@types")],
    },
    include: [join(directory, "*.mts")],
    exclude: [],
  };
  const file = join(directory, "tsconfig.json");
  writeFileSync(file, JSON.stringify(configuration));
  try {
    execFileSync(process.execPath, [join(ROOT, "node_modules/typescript/bin/tsc"), "--noEmit", "-p", file]);
  } catch (error) {
    assert.fail(String((error as { stdout?: unknown }).stdout ?? error));
  }
}

describe("the document on reading", () => {
  it("has examples", () => assert.ok(EXAMPLES.length >= 12, `${EXAMPLES.length}`));

  for (const { name, code, prints } of EXAMPLES) {
    it(`${name} runs and prints what it says`, async () => {
      const printed = await run(code);
      if (prints === undefined) assert.notEqual(printed, "");
      else assert.equal(printed, prints.trimEnd());
    });
  }

  // The compiler says the same on every runtime.
  if (isNode) {
    it("has examples that the compiler takes", () => useScratch(compileAll));
  }
});
