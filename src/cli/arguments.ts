/**
 * The words behind a command's name: checked, with the same messages on every runtime.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { UsageError } from "./exit_codes.ts";

/** Options by name: a flag stands alone, a value takes the next word. */
export type OptionKinds = Readonly<Record<string, "flag" | "value">>;

/** What was given on the command line. */
export class Arguments {
  readonly positionals: readonly string[];
  readonly #values: ReadonlyMap<string, readonly (string | true)[]>;

  constructor(positionals: readonly string[], values: ReadonlyMap<string, readonly (string | true)[]>) {
    this.positionals = positionals;
    this.#values = values;
  }

  /** True where the flag was given. */
  flag(name: string): boolean {
    return this.#values.has(name);
  }

  /** The option's value, the last one where it was given more than once, or `undefined` where it was not. */
  value(name: string): string | undefined {
    return this.values(name).at(-1);
  }

  /** Every value that was given for the option. */
  values(name: string): string[] {
    return this.#values.get(name)?.filter((value) => typeof value === "string") ?? [];
  }

  /** A whole number from `low` to `high`. */
  wholeNumber(name: string, low: number, high: number = Number.MAX_SAFE_INTEGER): number | undefined {
    const text = this.value(name);
    if (text === undefined) return undefined;
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= low && value <= high) return value;
    const range = high === Number.MAX_SAFE_INTEGER ? `from ${low}` : `from ${low} to ${high}`;
    throw new UsageError(`--${name} must be a whole number ${range}, not ${quoted(text)}`);
  }

  /** One of the words of a list. */
  oneOf<T extends string>(name: string, words: readonly T[]): T | undefined {
    const text = this.value(name);
    const word = words.find((word) => word === text);
    if (text !== undefined && word === undefined) {
      throw new UsageError(`--${name} must be ${words.join(" or ")}, not ${quoted(text)}`);
    }
    return word;
  }

  /** The one positional argument. */
  only(what: string): string {
    const [first, second] = this.positionals;
    if (first === undefined || first === "") throw new UsageError(`the ${what} is missing`);
    if (second !== undefined) throw new UsageError(`one ${what} is enough: what is ${quoted(second)}?`);
    return first;
  }
}

/**
 * Reads the words behind a command's name.
 *
 * @throws {UsageError} for an unknown option, a missing value, or a value where none belongs.
 */
export function readArguments(words: readonly string[], kinds: OptionKinds): Arguments {
  const options = Object.fromEntries(
    Object.entries(kinds).map((
      [name, kind],
    ) => [name, { type: kind === "flag" ? "boolean" as const : "string" as const }]),
  );
  // Not strict: the runtimes word their complaints differently.
  const { tokens, positionals } = parseArgs({
    args: [...words],
    options: { ...options, help: { type: "boolean", short: "h" } },
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const values = new Map<string, (string | true)[]>();
  for (const token of tokens) {
    if (token.kind !== "option") continue;
    const { name, value, rawName } = token;
    const kind = name === "help" ? "flag" : Object.hasOwn(kinds, name) ? kinds[name] : undefined;
    if (kind === undefined) throw new UsageError(`there is no option ${rawName}`);
    if (kind === "flag" && value !== undefined) throw new UsageError(`${rawName} takes no value`);
    if (kind === "value" && value === undefined) throw new UsageError(`${rawName} needs a value`);
    values.set(name, [...values.get(name) ?? [], value ?? true]);
  }
  return new Arguments(positionals, values);
}

/** A word as part of a message. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}
