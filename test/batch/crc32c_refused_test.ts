import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import process from "node:process";
import { describe, it } from "node:test";
import { advanceByTables } from "../../src/batch/crc32c_tables.ts";
import { POOL_RESERVED_BYTES } from "../../src/batch/memory_pool.ts";

describe("crc32c where WebAssembly is refused", () => {
  const lengths = [0, 40, 300, 1_000, 100_000];
  const fill = (bytes: Uint8Array): Uint8Array => bytes.map((_, i) => (i * 31) ^ (i >> 7));
  const expected = lengths.map((length) => ~advanceByTables(-1, fill(new Uint8Array(131_072)), 3, 3 + length) >>> 0);
  const source = new URL("../../src/batch/", import.meta.url).href;
  // Node needs WebAssembly to read TypeScript: it is refused to the library once that is loaded.
  const program = (refuse: string): string => `
    const { crc32c } = await import("${source}crc32c.ts");
    const { acquireRegion, poolBytesInUse, releaseRegion } = await import("${source}memory_pool.ts");
    ${refuse};
    const region = acquireRegion(100_000);
    const { bytes, address } = region;
    bytes.set((${fill})(bytes));
    const sums = ${JSON.stringify(lengths)}.map((length) => crc32c(bytes, 3, 3 + length));
    const pooled = poolBytesInUse();
    releaseRegion(region);
    console.log(JSON.stringify({ address, size: bytes.length, pooled, sums }));
  `;

  it("computes the same by tables, on heap memory", () => {
    let actual: unknown;
    const check = `if (typeof WebAssembly !== "undefined") throw new Error("WebAssembly is here")`;
    if (process.versions.bun !== undefined) actual = runProgram(program(check), [], { BUN_JSC_useWasm: "0" });
    else if (process.versions.deno !== undefined) actual = runProgram(program(check), ["--v8-flags=--jitless"]);
    else actual = runProgram(program(`delete globalThis.WebAssembly; ${check}`));
    assert.deepEqual(actual, { address: -1, size: 131_072, pooled: 0, sums: expected });
  });

  it("computes the same by tables in the pool, where only modules are refused", () => {
    // No flag of any of the runtimes refuses vectors any more, so the constructor is made to.
    const refuse = `WebAssembly.Module = function () { throw new WebAssembly.CompileError("no vectors"); }`;
    const actual = runProgram(program(refuse));
    assert.deepEqual(actual, { address: POOL_RESERVED_BYTES, size: 131_072, pooled: 131_072, sums: expected });
  });
});

/** Runs a program on the same runtime, in a process of its own, and answers the JSON that it prints. */
function runProgram(text: string, flags: string[] = [], env: Record<string, string> = {}): unknown {
  let command = ["--input-type=module", "--eval"];
  if (process.versions.bun !== undefined) command = ["--eval"];
  if (process.versions.deno !== undefined) command = ["eval"];
  const options = { encoding: "utf8", env: { ...process.env, ...env } } as const;
  return JSON.parse(execFileSync(process.execPath, [...command, ...flags, text], options));
}
