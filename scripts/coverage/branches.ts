/**
 * The branches of a source file, and which of them ran.
 *
 * V8 counts blocks; where an `if` has no `else`, it has no block for the other way. The syntax tree knows that way too: it
 * was taken where the statement ran more often than its block.
 *
 * @module
 */
import { type Function as FunctionNode, type Node, parse } from "acorn";
import { simple } from "acorn-walk";
import { stripTypeScriptTypes } from "node:module";
import type { CountAt } from "./v8_counts.ts";

/** One way that a program can take. */
export interface Branch {
  /** From 1. */
  readonly line: number;
  /** What it is, as its listing says it. */
  readonly kind: string;
  readonly isCovered: boolean;
}

/**
 * The branches of a TypeScript file: both ways of every `if`, both values of `?:`, the right side of `&&`, `||` and `??`, every `case`
 * and `catch`. A function that nobody called is one more, which did not run. V8 does not count `?.`, `??=` and default values.
 *
 * @param text The file as it stands: taking the types out moves nothing.
 */
export function branchesOf(text: string, countAt: CountAt): Branch[] {
  const source = stripTypeScriptTypes(text);
  const branches: Branch[] = [];
  const add = (kind: string, at: number, count: number): void => {
    branches.push({ kind, line: source.slice(0, at).split("\n").length, isCovered: count > 0 });
  };
  const block = (kind: string, { start }: Node): void => add(kind, start, countAt(start));
  const called = (node: FunctionNode): void => {
    if (countAt(node.body.start) === 0) add("function", node.body.start, 0);
  };
  simple(parse(source, { ecmaVersion: "latest", sourceType: "module" }), {
    IfStatement({ start, test, consequent, alternate }) {
      block("if", consequent);
      // Behind the condition: one that waited and failed went neither way.
      if (alternate) block("else", alternate);
      else add("no else", start, countAt(test.end) - countAt(consequent.start));
    },
    ConditionalExpression({ consequent, alternate }) {
      block("? …", consequent);
      block(": …", alternate);
    },
    LogicalExpression: ({ operator, right }) => block(operator, right),
    SwitchCase: (node) => block("case", node),
    CatchClause: ({ body }) => block("catch", body),
    Function: called,
  });
  return branches.sort((a, b) => a.line - b.line);
}
