/** Compiles the package into `dist/` and makes its command executable. */
import { spawnSync } from "node:child_process";
import { chmodSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";

const root = join(import.meta.dirname, "..");
const command = join(root, "dist/src/cli/main.js");
const SHEBANG = "#!/usr/bin/env node\n";

// A file that no entry point reaches any more must not be published.
rmSync(join(root, "dist"), { recursive: true, force: true });
const compiler = join(root, "node_modules/typescript/bin/tsc");
const { status } = spawnSync(process.execPath, [compiler, "--project", "tsconfig.build.json"], {
  cwd: root,
  stdio: "inherit",
});
if (status !== 0) process.exit(status ?? 1);
if (!readFileSync(command, "utf8").startsWith(SHEBANG)) {
  throw new Error("Cannot make bimiplog executable: src/cli/main.ts must begin with " + SHEBANG);
}
chmodSync(command, 0o755);
