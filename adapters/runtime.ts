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

/** The file system of the running runtime: Bun's, Deno's, or else Node's. */
export function runtimeVfs(): Vfs {
  if (process.versions.bun !== undefined) return bunVfs();
  if (process.versions.deno !== undefined) return denoVfs();
  return nodeVfs();
}
