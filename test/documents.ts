/** Programs of documents: run as a user's own files. */
import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";

const ROOT = new URL("../", import.meta.url);
const ENTRIES = ["consumer", "kafka", "producer", "testing"];

/** The text of a document of the project. */
export function readDocument(path: string): string {
  return readFileSync(new URL(path, ROOT), "utf8");
}

/** Names the entries of this project where a program names the package. */
export function linked(code: string): string {
  const urlOf = (file: string): string => JSON.stringify(new URL(file, ROOT).href);
  return ENTRIES.reduce(
    (text, name) => text.replaceAll(`"@bimip/log/${name}"`, urlOf(`${name}.ts`)),
    code.replaceAll('"@bimip/log"', urlOf("mod.ts")),
  );
}

/** Runs the first of the files in a process of its own, in their directory; answers what it printed. */
export async function runFiles(
  directory: string,
  files: readonly { readonly name: string; readonly code: string }[],
): Promise<string> {
  for (const { name, code } of files) writeFileSync(join(directory, name), linked(code));
  writeFileSync(join(directory, "package.json"), '{ "type": "module" }');
  const before = process.versions.deno === undefined ? [] : ["run", "-A", "--no-config"];
  return (await promisify(execFile)(process.execPath, [...before, files[0].name], { cwd: directory })).stdout;
}

/** Runs a program in this process, with its `./data/` in the directory; answers what it printed. */
export async function runHere(directory: string, code: string): Promise<string> {
  const file = join(directory, "example.ts");
  writeFileSync(file, linked(code).replaceAll('"./data/', `"${directory}/`));
  const { log } = console;
  const lines: string[] = [];
  const textOf = (value: unknown): string => typeof value === "object" ? JSON.stringify(value) : String(value);
  console.log = (...values: unknown[]) => lines.push(values.map(textOf).join(" "));
  try {
    await import(pathToFileURL(file).href);
  } finally {
    console.log = log;
  }
  return lines.map((line) => `${line}\n`).join("");
}
