/**
 * `bimiplog completion`: scripts that let a shell complete the command line, made from the commands themselves.
 *
 * @module
 */
import type { Command, Context } from "./command.ts";
import { bashScript, type CompletedCommand, fishScript, zshScript } from "./completion_scripts.ts";
import { EXIT_DONE, UsageError } from "./exit_codes.ts";

const SCRIPTS: Readonly<Record<string, (commands: readonly CompletedCommand[]) => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

const DETAILS = `
Prints a script for the shell. For the running one, or for good:

  bash    source <(bimiplog completion bash)          or into /etc/bash_completion.d/bimiplog
  zsh     source <(bimiplog completion zsh)           or into a file _bimiplog on the fpath
  fish    bimiplog completion fish | source           or into ~/.config/fish/completions/bimiplog.fish
`;

/** The command; it is given the list in which it stands itself. */
export function completionCommand(commands: () => readonly Command[]): Command {
  return {
    name: "completion",
    synopsis: "bash|zsh|fish",
    summary: "print a script that completes the command line",
    details: DETAILS,
    options: {},
    readsOnly: true,
    run: async ({ args, stdout }: Context): Promise<number> => {
      const shell = args.only("shell");
      if (!Object.hasOwn(SCRIPTS, shell)) {
        throw new UsageError(`the shell must be bash, zsh or fish, not ${JSON.stringify(shell)}`);
      }
      await stdout.text(SCRIPTS[shell](commands().filter((command) => !command.internal).map(completed)));
      return EXIT_DONE;
    },
  };
}

function completed({ name, summary, synopsis, options }: Command): CompletedCommand {
  const words = /^[a-z]+(?:\|[a-z]+)+$/.test(synopsis) ? synopsis.split("|") : [];
  const list = Object.entries({ ...options, help: "flag" }).map(([option, kind]) => ({
    name: option,
    takesValue: kind === "value",
    words: wordsOf(synopsis, option),
  }));
  return { name, summary, words, options: list };
}

/** The words among which an option's value is, where the synopsis names them as in `--durability os|disk`. */
function wordsOf(synopsis: string, option: string): string[] {
  const found = new RegExp(`--${option} ([\\w|,-]+)`).exec(synopsis)?.[1] ?? "";
  return found.split(/[|,]/).filter((word) => /^[a-z]+$/.test(word));
}
