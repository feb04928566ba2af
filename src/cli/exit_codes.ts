/**
 * How the program ends, and the one line it says about a failure.
 *
 * @module
 */
import { LogError, type LogErrorCode } from "../errors.ts";
import { VfsError } from "../vfs.ts";

export const EXIT_DONE = 0;
export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;
export const EXIT_CORRUPT = 3;
export const EXIT_LOCKED = 4;

/** The command line makes no sense; the message says why. */
export class UsageError extends Error {
  override readonly name: string = "UsageError";
}

/** Whoever read the output has gone: nothing is wrong, there is only no point in going on. */
export class ClosedPipeError extends Error {
  override readonly name: string = "ClosedPipeError";
}

const EXIT_OF_CODE: Partial<Record<LogErrorCode, number>> = {
  LOCKED: EXIT_LOCKED,
  CORRUPT_BATCH: EXIT_CORRUPT,
  CORRUPT_FILE: EXIT_CORRUPT,
  DATA_LOSS: EXIT_CORRUPT,
};

/** The exit code for a failure. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) return EXIT_USAGE;
  if (error instanceof ClosedPipeError) return EXIT_DONE;
  if (!(error instanceof LogError)) return EXIT_FAILED;
  // A shard that is damaged refuses appends as READ_ONLY, one that failed as POISONED: the cause says why.
  const behind = error.code === "READ_ONLY" || error.code === "POISONED" ? error.cause : undefined;
  return EXIT_OF_CODE[error.code] ?? (behind instanceof LogError ? exitCodeOf(behind) : EXIT_FAILED);
}

/** What the engine advises a program to do, and what that is for somebody at a terminal. */
const ADVICE: readonly (readonly [api: string, command: string])[] = [
  ['read on with onCorrupt: "skip"', "--on-corrupt skip reads on behind it"],
  ["; close it there, or open with readOnly", "; reading works beside it"],
  ["restore them, or open with acceptDataLoss to go on without", "restore them from a copy, or see bimiplog repair"],
];

/** A failure in one line without a stack. */
export function messageOf(error: unknown): string {
  let message = error instanceof Error ? error.message : String(error);
  if (error instanceof LogError || error instanceof VfsError) {
    for (const [api, command] of ADVICE) message = message.replace(api, command);
  }
  return message.replace(/\s*\n\s*/g, " ");
}
