import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const STAND_IN = "test/deno/stand_in/import_map.json";
const DOWNLOAD_LIMIT_MS = 60_000;

/**
 * Where `test/deno/` gets `@std/*` from: undefined is the real one, as `deno.json` declares it, and otherwise
 * the import map of the stand-in, for machines that cannot reach JSR.
 */
export function standardLibraryMap(root: string): string | undefined {
  const { imports } = JSON.parse(readFileSync(join(root, "deno.json"), "utf8")) as { imports: Record<string, string> };
  const { status } = spawnSync(join(root, "node_modules/.bin/deno"), ["cache", "--quiet", ...Object.values(imports)], {
    cwd: root,
    stdio: "ignore",
    timeout: DOWNLOAD_LIMIT_MS,
  });
  if (status === 0) return undefined;
  console.log(`JSR cannot be reached: test/deno runs with the stand-in for @std (${STAND_IN}).`);
  return STAND_IN;
}
