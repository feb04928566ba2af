/**
 * Runs one figure on the runtime it is started with and prints the outcome as one line of JSON.
 * Arguments: figure, directory, messages, pairs.
 *
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import process from "node:process";
import { runtimeVfs } from "../adapters/runtime.ts";
import { figures } from "./figures/all.ts";
import { runFigure } from "./pairs.ts";

const [name, parent, messages, pairs] = process.argv.slice(2);
const figure = figures.find((figure) => figure.name === name);
if (figure === undefined) throw new Error(`there is no figure ${name}`);
const directory = mkdtempSync(`${parent}/bench-`);
try {
  const setting = { directory, messages: Number(messages) };
  const runs = { count: Number(pairs), warmUps: 1 };
  console.log(JSON.stringify(await runFigure(figure, setting, runs, runtimeVfs().host.runtime)));
} finally {
  rmSync(directory, { recursive: true, force: true });
}
