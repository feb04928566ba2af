import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** A test that says which faults it holds. */
export interface Annotation {
  /** Path of the file, from the root. */
  readonly file: string;
  /** What the test says, without the rows; what is filled in when it runs is `…`. */
  readonly title: string;
  readonly rows: readonly string[];
  /** Where it runs; empty: everywhere. */
  readonly conditions: string;
}

/** Rows, and what a test needs, at the end of its title. */
const TAG = / \[faults? ([^\]\n:]*)(?:: ([^\]\n]*))?\]/;
/** The same in the source: the quote behind it ends the title, which stands on one line. */
const TAG_IN_SOURCE = new RegExp(TAG.source + '(["`])', "g");
const SUITE = /\bdescribe\(\s*(?:"((?:[^"\\\n]|\\.)*)"|`([^`\n]*)`)/g;

/** The rows that a title names. */
export function rowsOf(title: string): string[] {
  const list = TAG.exec(title)?.[1];
  return list === undefined ? [] : list.split(",").map((row) => row.trim());
}

/**
 * Finds the annotations in the text of one file.
 *
 * @throws {Error} where one is there that cannot be read: it would count for nothing.
 */
export function findAnnotations(file: string, text: string): Annotation[] {
  const suites = [...text.matchAll(SUITE)].map((match) => ({ at: match.index, name: plain(match[1] ?? match[2]) }));
  const found = [...text.matchAll(TAG_IN_SOURCE)].map((match): Annotation => {
    const [tag, , conditions = "", quote] = match;
    const before = text.slice(text.lastIndexOf("\n", match.index) + 1, match.index);
    const title = plain(before.slice(startOfLiteral(before, quote)));
    const suite = suites.findLast(({ at }) => at < match.index);
    return { file, title: suite === undefined ? title : `${suite.name}: ${title}`, rows: rowsOf(tag), conditions };
  });
  const tags = text.match(/\[faults? \d/g)?.length ?? 0;
  if (tags !== found.length) {
    throw new Error(`${file}: ${tags - found.length} of ${tags} tags are not at a title's end`);
  }
  return found;
}

/** Where the literal begins that this line ends in. */
function startOfLiteral(line: string, quote: string): number {
  let at = line.lastIndexOf(quote);
  while (at > 0 && line[at - 1] === "\\") at = line.lastIndexOf(quote, at - 1);
  return at + 1;
}

/** The text of a literal, with what is only known when it runs as `…`. */
function plain(literal: string): string {
  return literal.replace(/\$\{[^}]*\}/g, "…").replace(/\\(.)/g, "$1").trim();
}

/** All annotations in the tests below `root`, in the order of files. */
export function readAnnotations(root: string): Annotation[] {
  return readdirSync(join(root, "test"), { recursive: true })
    .map((path) => `test/${String(path).replaceAll("\\", "/")}`)
    // There the tag is explained and tested.
    .filter((path) => path.endsWith(".ts") && !/\/faults\/catalogue(_test)?\.ts$/.test(path))
    .sort()
    .flatMap((path) => findAnnotations(path, readFileSync(join(root, path), "utf8")));
}
