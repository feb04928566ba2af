/**
 * Builds src/batch/crc32c.wat into src/batch/crc32c_wasm.ts: `node scripts/build_crc32c.ts`.
 *
 * The modules are checked in as base64 in TypeScript, because the runtimes and the registries disagree about
 * importing `.wasm` files. A test builds them again and compares.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { readFileSync, writeFileSync } from "node:fs";
import loadWabt from "wabt";

const SOURCE = new URL("../src/batch/crc32c.wat", import.meta.url);
const TARGET = new URL("../src/batch/crc32c_wasm.ts", import.meta.url);
const VARIANT = "(; variant ;)";
const LINE_CHARACTERS = 112;

/** The text of crc32c_wasm.ts as the source demands it. */
export async function buildCrc32cModules(): Promise<string> {
  const source = readFileSync(SOURCE, "utf8");
  if (source.split(VARIANT).length !== 2) throw new Error(`Cannot build crc32c.wat: it must hold ${VARIANT} once`);
  const wabt = await loadWabt();
  const assemble = (text: string): Uint8Array => {
    const module = wabt.parseWat("crc32c.wat", text, { simd: true, threads: true });
    try {
      module.resolveNames();
      const { buffer } = module.toBinary({ write_debug_names: false });
      // Throws on an invalid module, and says where. (The assembler's own check needs an argument its types lack.)
      new WebAssembly.Module(Uint8Array.from(buffer));
      return buffer;
    } finally {
      module.destroy();
    }
  };
  return `// Built by scripts/build_crc32c.ts from crc32c.wat: change that, and build again.

/** The module for unshared memory, in base64. */
${constant("CRC32C_MODULE", assemble(source.replace(VARIANT, "")))}
/** The module for shared memory, in base64. */
${constant("CRC32C_SHARED_MODULE", assemble(source.replace(VARIANT, "shared")))}`;
}

function constant(name: string, bytes: Uint8Array): string {
  const lines = Buffer.from(bytes).toString("base64").match(new RegExp(`.{1,${LINE_CHARACTERS}}`, "g")) ?? [];
  return `export const ${name}: string =\n  "${lines.join('" +\n  "')}";\n`;
}

if (import.meta.main) writeFileSync(TARGET, await buildCrc32cModules());
