/**
 * The library as the driver wants it measured: built, as npm installs it, or its sources. What it costs to load differs.
 *
 * @module
 */
import process from "node:process";

/** Loads it. */
export function library(): Promise<typeof import("../mod.ts")> {
  const { BENCH_PACKAGE } = process.env;
  return BENCH_PACKAGE === undefined ? import("../mod.ts") : import(BENCH_PACKAGE);
}
