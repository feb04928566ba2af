/**
 * Makes the table of faults in docs/reliability.md from the catalogue and from the titles of the tests.
 *
 *     node scripts/reliability.ts [--check]
 *
 * With `--check` it writes nothing and fails where the table is stale, a fault has no test, or a title names an unknown one.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { CATALOGUE } from "../test/faults/catalogue.ts";
import { readAnnotations } from "./reliability/annotations.ts";
import { problemsOf, renderTable, withTable } from "./reliability/table.ts";

const root = join(import.meta.dirname, "..");
const path = join(root, "docs/reliability.md");
const annotations = readAnnotations(root);
const problems = problemsOf(CATALOGUE, annotations);
const before = readFileSync(path, "utf8");
const after = withTable(before, renderTable(CATALOGUE, annotations));
if (process.argv.includes("--check")) {
  if (before !== after) problems.push("docs/reliability.md is stale: run node scripts/reliability.ts");
} else if (before !== after) writeFileSync(path, after);
for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exitCode = 1;
else console.log(`docs/reliability.md: ${CATALOGUE.length} faults, ${annotations.length} tests`);
