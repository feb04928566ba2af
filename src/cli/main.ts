#!/usr/bin/env node
/**
 * The command `bimiplog`, the same on Node, Bun and Deno. Run it, do not import it:
 *
 * ```sh
 * npx bimiplog --help
 * bunx --bun bimiplog --help
 * deno run -A npm:@bimip/log/bimiplog --help
 * deno run -A jsr:@bimip/log/cli --help
 * ```
 *
 * @module
 */
import process from "node:process";
import { runProgram } from "./program.ts";

// Standard input may still be open: that alone must not keep the process.
process.exit(await runProgram(process.argv.slice(2), process));
