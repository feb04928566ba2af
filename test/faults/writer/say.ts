/** Standard output of the program under fault. */
import { writeSync } from "node:fs";
import { LogError } from "../../../mod.ts";

const sleeper = new Int32Array(new SharedArrayBuffer(4));

/** Writes a line and returns when the system has it, so that no end of this process can take it back. */
export function say(line: string): void {
  const bytes = new TextEncoder().encode(`${line}\n`);
  for (let written = 0; written < bytes.length;) {
    try {
      written += writeSync(1, bytes, written);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      // The reader is behind.
      Atomics.wait(sleeper, 0, 0, 1);
    }
  }
}

/** Says why something failed. */
export function sayFailure(error: unknown): void {
  if (error instanceof LogError) say(`failed ${error.code} ${error.message}`);
  else say(`wrong ${error instanceof Error ? error.stack?.replaceAll("\n", " | ") : String(error)}`);
}
