import type { Fault } from "../../test/faults/catalogue.ts";
import { rowsOf } from "./annotations.ts";

/** A test with rows in its title that was come across in a run. */
export interface TaggedTest {
  readonly title: string;
  readonly isSkipped: boolean;
}

/** Which faults a run of all tests has held, in words; and those that no test even came to. */
export function summarizeRun(
  catalogue: readonly Fault[],
  tests: readonly TaggedTest[],
): { readonly lines: string[]; readonly missing: string[] } {
  const passed = new Set(tests.filter(({ isSkipped }) => !isSkipped).flatMap(({ title }) => rowsOf(title)));
  const skipped = tests.filter(({ isSkipped }) => isSkipped);
  const notHere = catalogue.filter(({ id }) =>
    !passed.has(id) && skipped.some(({ title }) => rowsOf(title).includes(id))
  );
  const missing = catalogue.filter((fault) => !passed.has(fault.id) && !notHere.includes(fault)).map(({ id }) => id);
  const lines = [
    `faults: ${catalogue.length - notHere.length - missing.length} of ${catalogue.length} held by ${
      tests.length - skipped.length
    } ` +
    `runs of tests; ${skipped.length} runs skipped`,
  ];
  if (notHere.length > 0) {
    lines.push(`faults not run here: ${notHere.length} (${notHere.map(({ id }) => id).join(", ")})`);
  }
  return { lines, missing };
}
