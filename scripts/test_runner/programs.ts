/**
 * Programs that tests start again and again, each made one file: two hundred sources take a runtime twice as long as one
 * file does. They are made anew for each run, from the sources as they are.
 */
import { build } from "esbuild";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";

const PROGRAMS = [
  "src/cli/main.ts",
  "test/consumers/killed.ts",
  "test/faults/writer.ts",
  "test/readers/reader.ts",
  "test/readers/writer.ts",
  "test/retention/dropping_reader.ts",
  "test/retention/dropping_writer.ts",
  "test/runtimes/appender.ts",
  "test/runtimes/holder.ts",
  "test/runtimes/importer.ts",
  "test/runtimes/two_lives.ts",
];

/** Writes what is not there already: another run beside this one may be reading it. */
function place(path: string, content: Uint8Array | string): void {
  if (existsSync(path) && readFileSync(path).equals(Buffer.from(content))) return;
  mkdirSync(dirname(path), { recursive: true });
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, content);
  renameSync(draft, path);
}

/**
 * The environment that tells tests where the programs are (`test/fixtures/program_path.ts` reads it). The places are the same
 * every time, which Node's compile cache needs.
 */
export async function makePrograms(root: string): Promise<Record<string, string>> {
  const directory = join(root, "node_modules", ".cache", "programs");
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: PROGRAMS,
    outbase: root,
    outdir: directory,
    write: false,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "esnext",
    packages: "external",
  });
  place(join(directory, "package.json"), '{ "type": "module" }\n');
  for (const { path, contents } of outputFiles) place(path, contents);
  return { TEST_PROGRAMS: directory };
}
