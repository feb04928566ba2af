/** The command in the process of the test: the same code from its words to its exit code, without the start of a process. */
import process from "node:process";
import { Interruption } from "../../src/cli/interruption.ts";
import { runProgram } from "../../src/cli/program.ts";
import type { Ending } from "./program.ts";

/** What a pipe holds, and gives at once. */
const CHUNK_BYTES = 64 * 1024;

/** A stream that keeps everything. */
class Kept {
  readonly #chunks: Uint8Array[] = [];

  write(data: string | Uint8Array, done?: (error?: Error | null) => void): boolean {
    this.#chunks.push(Buffer.from(data));
    done?.();
    return true;
  }

  /** Nothing can go wrong here. */
  on(): void {}

  get text(): string {
    return Buffer.concat(this.#chunks).toString();
  }
}

async function* chunksOf(input: string | Uint8Array): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(input);
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) yield bytes.subarray(at, at + CHUNK_BYTES);
}

/** Runs it to its end. */
export async function runHere(words: readonly string[], input: string | Uint8Array): Promise<Ending> {
  const [stdout, stderr] = [new Kept(), new Kept()];
  const interruption = new Interruption();
  // Many at once are many listeners for the signals.
  process.setMaxListeners(0);
  try {
    const code = await runProgram(words, { stdin: chunksOf(input), stdout, stderr }, interruption);
    return { code, signal: null, stdout: stdout.text, stderr: stderr.text };
  } finally {
    interruption.unlisten();
  }
}
