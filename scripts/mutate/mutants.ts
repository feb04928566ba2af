/**
 * Finds the places of a source file at which a small change may be a mistake that a test should notice.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { join } from "node:path";
import { type AnyNode, parse } from "acorn";

/** One change of one file. */
export interface Mutant {
  readonly file: string;
  readonly line: number;
  readonly kind: string;
  /** Positions in the file's text; the end is exclusive. */
  readonly start: number;
  readonly end: number;
  readonly text: string;
  readonly replacement: string;
}

type Change = Pick<Mutant, "kind" | "start" | "end" | "replacement">;

const BOUNDARIES: Readonly<Record<string, string>> = { "<": "<=", "<=": "<", ">": ">=", ">=": ">" };
const NEGATIONS: Readonly<Record<string, string>> = { "===": "!==", "!==": "===" };
const ARITHMETIC: Readonly<Record<string, string>> = { "+": "-", "-": "+", "+=": "-=", "-=": "+=" };
const LOGIC: Readonly<Record<string, string>> = { "&&": "||", "||": "&&" };

/** All mutants of one file, in the order of their places. */
export function findMutants(root: string, file: string): Mutant[] {
  const source = readFileSync(join(root, file), "utf8");
  // Types become spaces, so places in the program are places in the source.
  const program = stripTypeScriptTypes(source, { mode: "strip" });
  const mutants: Mutant[] = [];
  const add = (change: Change): void => {
    const line = source.slice(0, change.start).split("\n").length;
    mutants.push({ ...change, file, line, text: source.slice(change.start, change.end) });
  };
  visit(parse(program, { ecmaVersion: "latest", sourceType: "module" }), (node) => {
    for (const change of changesOf(node, source)) add(change);
  });
  return mutants.sort((a, b) => a.start - b.start || a.end - b.end);
}

/** The source of the file with the mutant's change. */
export function mutate(source: string, { start, end, replacement }: Mutant): string {
  return source.slice(0, start) + replacement + source.slice(end);
}

function visit(node: AnyNode, found: (node: AnyNode) => void): void {
  // What stands in a message is not what the program does.
  if (node.type === "TemplateLiteral" || node.type === "ThrowStatement" || node.type === "ImportDeclaration") return;
  found(node);
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (isNode(child)) visit(child, found);
    }
  }
}

function isNode(value: unknown): value is AnyNode {
  return typeof value === "object" && value !== null && "type" in value && "start" in value;
}

function changesOf(node: AnyNode, source: string): Change[] {
  switch (node.type) {
    case "IfStatement":
    case "WhileStatement":
    case "ConditionalExpression":
      return negation(node.test, source);
    case "BinaryExpression":
      if (node.left.type === "PrivateIdentifier" || isText(node.left) || isText(node.right)) return [];
      return [
        ...exchange("boundary", BOUNDARIES, node.operator, node.left, node.right, source),
        ...exchange("negation", NEGATIONS, node.operator, node.left, node.right, source),
        ...exchange("arithmetic", ARITHMETIC, node.operator, node.left, node.right, source),
      ];
    case "AssignmentExpression":
      return isText(node.right) ? [] : exchange("arithmetic", ARITHMETIC, node.operator, node.left, node.right, source);
    case "LogicalExpression":
      return exchange("logic", LOGIC, node.operator, node.left, node.right, source);
    case "ExpressionStatement": {
      const called = node.expression.type === "AwaitExpression" ? node.expression.argument : node.expression;
      if (called.type !== "CallExpression" || called.callee.type === "Super") return [];
      return [{ kind: "removed call", start: node.start, end: node.end, replacement: "{}" }];
    }
    case "Literal":
      if (node.raw !== "0" && node.raw !== "1") return [];
      return [{ kind: "constant", start: node.start, end: node.end, replacement: node.raw === "0" ? "1" : "0" }];
    case "ReturnStatement": {
      const value = node.argument;
      if (value?.type !== "Literal" || typeof value.value !== "boolean") return [];
      return [{ kind: "returned", start: value.start, end: value.end, replacement: String(!value.value) }];
    }
    default:
      return [];
  }
}

function negation(test: AnyNode, source: string): Change[] {
  // Such a comparison has a mutant of its own that says the same.
  if (test.type === "BinaryExpression" && test.operator in NEGATIONS) return [];
  const { start, end } = test;
  return [{ kind: "negation", start, end, replacement: `!(${source.slice(start, end)})` }];
}

function exchange(
  kind: string,
  table: Readonly<Record<string, string>>,
  operator: string,
  left: AnyNode,
  right: AnyNode,
  source: string,
): Change[] {
  const other = table[operator];
  if (other === undefined) return [];
  // Between the operands stand nothing but the operator, spaces and brackets.
  const start = source.indexOf(operator, left.end);
  if (start < 0 || start + operator.length > right.start) return [];
  return [{ kind, start, end: start + operator.length, replacement: other }];
}

function isText(node: AnyNode): boolean {
  return node.type === "TemplateLiteral" || (node.type === "Literal" && typeof node.value === "string") ||
    (node.type === "BinaryExpression" && (isText(node.left) || isText(node.right)));
}
