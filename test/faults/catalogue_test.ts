/** Holds the catalogue, the titles of the tests and the table in the documents to each other. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { findAnnotations, readAnnotations } from "../../scripts/reliability/annotations.ts";
import { summarizeRun } from "../../scripts/reliability/coverage.ts";
import { problemsOf, renderTable, withTable } from "../../scripts/reliability/table.ts";
import { CATALOGUE, type Fault } from "./catalogue.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const annotations = readAnnotations(ROOT);
// Put together here: this file's own examples are no annotations of tests.
const tag = (text: string): string => ` [fault${text}]`;
const SMALL: readonly Fault[] = [
  { id: "1", part: "p", fault: "a | b", outcome: "c" },
  { id: "2", part: "p", fault: "d", outcome: "e" },
];

describe("the catalogue of faults", () => {
  it("has 60 rows and three more, each once", () => {
    const ids = CATALOGUE.map(({ id }) => id);
    const expected = [...Array.from({ length: 60 }, (_, i) => String(i + 1)), "29a", "29b", "29c"];
    assert.deepEqual([...ids].sort(), expected.sort());
  });

  it("is held by tests, all of it", () => {
    assert.deepEqual(problemsOf(CATALOGUE, annotations), []);
  });

  it("stands in docs/reliability.md as it is: else run node scripts/reliability.ts", () => {
    const document = readFileSync(`${ROOT}/docs/reliability.md`, "utf8");
    assert.equal(document, withTable(document, renderTable(CATALOGUE, annotations)));
  });
});

describe("the reading of titles", () => {
  it("takes rows and conditions from the end of a title, in strings and templates", () => {
    const source = [
      'describe("a suite", () => {',
      `  it("says \\"so\\"${tag(" 1")}", () => {});`,
      "  it(",
      `    \`\${a ? "x" : "y"} and${tag("s 1, 2: Linux, root")}\`,`,
      "  );",
      "});",
    ].join("\n");
    assert.deepEqual(findAnnotations("test/a_test.ts", source), [
      { file: "test/a_test.ts", title: 'a suite: says "so"', rows: ["1"], conditions: "" },
      { file: "test/a_test.ts", title: "a suite: … and", rows: ["1", "2"], conditions: "Linux, root" },
    ]);
  });

  it("does not overlook one that stands elsewhere", () => {
    assert.throws(() => findAnnotations("test/a_test.ts", `it("a${tag(" 1")} b", () => {});`), /1 of 1 tags/);
  });

  it("finds a fault without a test, and an unknown one", () => {
    const one = { file: "f", title: "t", conditions: "" };
    assert.deepEqual(problemsOf(SMALL, [{ ...one, rows: ["1", "2"] }]), []);
    assert.deepEqual(problemsOf(SMALL, []).length, 2);
    assert.deepEqual(problemsOf(SMALL, [{ ...one, rows: ["1", "2", "3"] }]).length, 1);
  });

  it("tells a fault whose tests were all skipped from one that no test came to", () => {
    const title = `t${tag(" 1")}`;
    assert.deepEqual(summarizeRun(SMALL, [{ title, isSkipped: false }, { title, isSkipped: true }]), {
      lines: ["faults: 1 of 2 held by 1 runs of tests; 1 runs skipped"],
      missing: ["2"],
    });
    assert.match(summarizeRun(SMALL, [{ title, isSkipped: true }]).lines[1], /not run here: 1 \(1\)/);
    assert.deepEqual(summarizeRun(SMALL, []).missing, ["1", "2"]);
  });
});
