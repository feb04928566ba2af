/** The examples of docs/reading.md, and those in the doc strings of what it is about, compile, run, and print what is said. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { readDocument, runHere } from "../documents.ts";
import { isNode } from "../fixtures/share.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const DOC_STRINGS = ["src/log/log_types.ts", "src/typed/codec.ts", "src/typed/typed.ts"];

interface Example {
  readonly name: string;
  readonly code: string;
  /** Undefined: it prints something. */
  readonly prints: string | undefined;
}

function examplesOf(file: string): Example[] {
  const isDocument = file.endsWith(".md");
  const source = readDocument(file);
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

/** Fails with what the compiler says. */
function compileAll(directory: string): void {
  for (const [i, { code }] of EXAMPLES.entries()) writeFileSync(join(directory, `example_${i}.mts`), code);
  const configuration = {
    extends: join(ROOT, "tsconfig.json"),
    compilerOptions: {
      // An example declares what its reader may go on with.
      noUnusedLocals: false,
      noUnusedParameters: false,
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
      const local = code.replaceAll('"valibot"', JSON.stringify(import.meta.resolve("valibot")));
      const printed = await useScratch((directory) => runHere(directory, local));
      if (prints === undefined) assert.notEqual(printed, "");
      else assert.equal(printed, prints);
    });
  }

  // The compiler says the same on every runtime.
  if (isNode()) {
    it("has examples that the compiler takes", () => useScratch(compileAll));
  }
});
