/**
 * Picks the file system of the running runtime.
 *
 * @module
 */
import process from "node:process";
import type { Vfs } from "../src/vfs.ts";
import { bunVfs } from "./bun.ts";
import { denoVfs } from "./deno.ts";
import { nodeVfs } from "./node.ts";

let own: Vfs | undefined;

/** The file system of the running runtime, always the same one: Bun's, Deno's, or else Node's. */
export function runtimeVfs(): Vfs {
  return own ??= pick();
}

function pick(): Vfs {
  if (process.versions.bun !== undefined) return bunVfs();
  if (process.versions.deno !== undefined) return denoVfs();
  return nodeVfs();
}
