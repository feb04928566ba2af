/** Runs test files on Node in one process: `node several.ts FILE …`, with paths below the working directory. */
import { resolve } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";

for (const file of process.argv.slice(2)) await import(pathToFileURL(resolve(file)).href);
