/**
 * The program from its words to its exit code, with whatever streams it is given.
 *
 * @module
 */
import { appendCommand } from "./append.ts";
import { type Arguments, quoted, readArguments } from "./arguments.ts";
import { backupCommand } from "./backup.ts";
import { benchCommand } from "./bench.ts";
import { benchRoundsCommand } from "./bench_rounds.ts";
import { type Command, type Context, sayFailure, type Streams } from "./command.ts";
import { completionCommand } from "./completion.ts";
import { consumersCommand } from "./consumers.ts";
import { dumpCommand } from "./dump.ts";
import { ClosedPipeError, EXIT_DONE, EXIT_FAILED, exitCodeOf, UsageError } from "./exit_codes.ts";
import { handoverCommand } from "./handover.ts";
import { commandHelp, generalHelp } from "./help.ts";
import { importCommand } from "./import.ts";
import { infoCommand } from "./info.ts";
import { Interruption } from "./interruption.ts";
import { mirrorCommand } from "./mirror.ts";
import { Output } from "./output.ts";
import { readCommand } from "./read.ts";
import { repairCommand } from "./repair.ts";
import { restoreCommand } from "./restore.ts";
import { topCommand } from "./top.ts";
import { usersCommand } from "./users.ts";
import { trimCommand } from "./trim.ts";
import { verifyCommand } from "./verify.ts";
import { VERSION } from "./version.ts";

const COMMANDS: readonly Command[] = [
  appendCommand,
  readCommand,
  infoCommand,
  usersCommand,
  verifyCommand,
  repairCommand,
  backupCommand,
  topCommand,
  consumersCommand,
  trimCommand,
  dumpCommand,
  mirrorCommand,
  restoreCommand,
  handoverCommand,
  importCommand,
  benchCommand,
  completionCommand(() => COMMANDS),
  benchRoundsCommand,
];

async function run(words: readonly string[], context: Omit<Context, "args">): Promise<number> {
  const { stdout, interruption } = context;
  const [name, ...rest] = words;
  if (name === "--version" || name === "-v") {
    await stdout.text(`bimiplog ${VERSION}\n`);
    return EXIT_DONE;
  }
  if (name === "--help" || name === "-h") {
    await stdout.text(generalHelp(COMMANDS));
    return EXIT_DONE;
  }
  const command = COMMANDS.find((command) => command.name === name);
  if (command === undefined) {
    const what = name === undefined
      ? "the command is missing"
      : name.startsWith("-")
      ? `there is no option ${name}`
      : `there is no command ${quoted(name)}`;
    throw new UsageError(`${what}; see bimiplog --help`);
  }
  try {
    const args: Arguments = readArguments(rest, command.options);
    if (args.flag("help")) {
      await stdout.text(commandHelp(command));
      return EXIT_DONE;
    }
    interruption.listen();
    const task = command.run({ ...context, args });
    return command.readsOnly ? await Promise.race([task, interruption.overdue.then(() => EXIT_FAILED)]) : await task;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new UsageError(`${error.message}; see bimiplog ${command.name} --help`);
  }
}

/**
 * Runs the command that stands in `words` and answers the exit code. Everything that was said has left by then.
 *
 * @param streams Those of the process, or others.
 */
export async function runProgram(
  words: readonly string[],
  streams: Streams,
  interruption: Interruption = new Interruption(),
): Promise<number> {
  const context = {
    streams,
    stdout: new Output(streams.stdout, "stdout"),
    stderr: new Output(streams.stderr, "stderr"),
    interruption,
  };
  const { stdout } = context;
  let failure: unknown;
  let exitCode: number;
  try {
    exitCode = await run(words, context);
  } catch (error) {
    failure = error;
    exitCode = exitCodeOf(error);
  }
  try {
    // What was read before a failure is printed before the failure is told.
    await Promise.race([stdout.flush(), interruption.overdue]);
  } catch (error) {
    failure ??= error;
    exitCode = Math.max(exitCode, exitCodeOf(error));
  }
  const wanted = failure instanceof ClosedPipeError || (failure !== undefined && interruption.isReason(failure));
  if (failure !== undefined && !wanted) {
    await Promise.race([sayFailure(context, failure), interruption.overdue]);
    return exitCode;
  }
  return interruption.exitCode ?? (wanted ? EXIT_DONE : exitCode);
}
