/**
 * What a command is, and what it is given to work with.
 *
 * @module
 */
import type { Arguments, OptionKinds } from "./arguments.ts";
import { messageOf } from "./exit_codes.ts";
import type { Interruption } from "./interruption.ts";
import type { ByteStream, Output } from "./output.ts";
import type { Terminal } from "./progress.ts";

/** The part of `process` through which a program speaks. */
export interface Streams {
  readonly stdin: AsyncIterable<Uint8Array>;
  readonly stdout: ByteStream;
  readonly stderr: ByteStream & Terminal;
}

/** What a command works with. */
export interface Context {
  /** Nothing but input and a line of progress: all else goes through the two outputs. */
  readonly streams: Streams;
  readonly args: Arguments;
  /** Data. */
  readonly stdout: Output;
  /** Progress and messages. */
  readonly stderr: Output;
  readonly interruption: Interruption;
}

/** One command of the program. */
export interface Command {
  readonly name: string;
  /** What follows the name, such as `DIR [--json]`. */
  readonly synopsis: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** Everything else that `--help` says. */
  readonly details: string;
  readonly options: OptionKinds;
  /** Left out of the list: for the program itself. */
  readonly internal?: boolean;
  /** It may be left where it stands when it is interrupted: nothing is lost by that. */
  readonly readsOnly?: boolean;
  /** Answers the exit code. */
  run(context: Context): Promise<number>;
}

/** Says one line on stderr. Nobody being there to read it changes nothing. */
export async function say(context: Pick<Context, "stderr">, message: string): Promise<void> {
  try {
    await context.stderr.text(`bimiplog: ${message}\n`);
    await context.stderr.flush();
  } catch {
    // The exit code says the rest.
  }
}

/** Says why something failed. */
export async function sayFailure(context: Pick<Context, "stderr">, error: unknown): Promise<void> {
  await say(context, messageOf(error));
}
