/**
 * The package as `npm run build` makes it, made once for all tests that install it.
 *
 * @module
 */
import { execFile } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";

/** Whether a test file installs the package. */
export function needsPackage(file: string): boolean {
  return file.startsWith("test/start/");
}

/**
 * The environment that tells tests where the package was built, from the sources as they are (`test/start/package.ts` reads it).
 * Rejects where a source does not compile.
 */
export async function makePackage(root: string): Promise<Record<string, string>> {
  const directory = join(root, "node_modules", ".cache", `package-${process.pid}`);
  process.once("exit", () => rmSync(directory, { recursive: true, force: true }));
  await promisify(execFile)(process.execPath, [join(root, "scripts/build.ts"), "--out", directory], { cwd: root });
  return { TEST_PACKAGE: directory };
}
