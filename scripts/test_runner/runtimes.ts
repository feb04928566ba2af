import { join } from "node:path";
import type { Counts } from "./report.ts";
import { readJunitReport, readNodeReport } from "./report.ts";

/** How to run test files in one process and to learn what they did. */
export interface Runtime {
  readonly name: string;
  readonly binary: string;
  /** Arguments that run `files` (relative to the root) and write the machine-readable report to `report`. */
  command(files: readonly string[], report: string, timeLimitMs: number): string[];
  readReport(text: string): Counts | undefined;
}

/** The three runtimes that `npm ci` installed below `root`. */
export function installedRuntimes(root: string, importMap: string | undefined): Runtime[] {
  const binary = (name: string) => join(root, "node_modules", ".bin", name);
  return [
    {
      name: "node",
      binary: binary("node"),
      command: (files, report) => [
        `--import=${join(root, "scripts/test_runner/no_async_hooks.ts")}`,
        "--test-reporter=spec",
        "--test-reporter-destination=stdout",
        `--test-reporter=${join(root, "scripts/test_runner/node_reporter.ts")}`,
        `--test-reporter-destination=${report}`,
        ...(files.length === 1 ? files : [join(root, "scripts/test_runner/several.ts"), ...files]),
      ],
      readReport: readNodeReport,
    },
    {
      name: "bun",
      binary: binary("bun"),
      // Bun's own limit of 5 s a test would cut long simulations; the limit for the file stands above it.
      command: (files, report, timeLimitMs) => [
        "test",
        ...files.map((file) => `./${file}`),
        `--timeout=${timeLimitMs}`,
        "--reporter=junit",
        `--reporter-outfile=${report}`,
      ],
      readReport: readJunitReport,
    },
    {
      name: "deno",
      binary: binary("deno"),
      // The type check runs once, over everything, in `npm run typecheck`.
      command: (files, report) => [
        "test",
        "--allow-all",
        "--no-check",
        `--junit-path=${report}`,
        ...(files.some(isDenoOnly) && importMap ? [`--import-map=${importMap}`] : []),
        ...files,
      ],
      readReport: readJunitReport,
    },
  ];
}

/** Tests that use Deno's standard library. */
export function isDenoOnly(file: string): boolean {
  return file.startsWith("test/deno/");
}
