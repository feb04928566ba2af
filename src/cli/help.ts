/**
 * The texts of `--help`.
 *
 * @module
 */
import type { Command } from "./command.ts";
import { VERSION } from "./version.ts";

const EXIT_CODES = `Exit codes: 0 done, 1 failed, 2 wrong usage, 3 corruption found, 4 locked by another writer;
130 and 143 after SIGINT and SIGTERM. Data goes to stdout, everything else to stderr.
`;

/** The list of commands. */
export function generalHelp(commands: readonly Command[]): string {
  const listed = commands.filter((command) => !command.internal);
  const width = Math.max(...listed.map(({ name }) => name.length)) + 2;
  const lines = listed.map(({ name, summary }) => `  ${name.padEnd(width)}${summary}\n`);
  return `bimiplog ${VERSION}: an embedded, sharded, append-only log

Usage: bimiplog COMMAND [ARGUMENTS]

${lines.join("")}
bimiplog COMMAND --help tells more; --version prints the version.

${EXIT_CODES}`;
}

/** Everything about one command. */
export function commandHelp({ name, synopsis, summary, details }: Command): string {
  return `bimiplog ${name}: ${summary}

Usage: bimiplog ${name} ${synopsis}

${details.trim()}

${EXIT_CODES}`;
}
