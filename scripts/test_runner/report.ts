import type { TaggedTest } from "../reliability/coverage.ts";

/** What test files did on one runtime, read from the runtime's own report. */
export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
  /** Tests with faults in their titles that passed or were skipped. */
  tagged: readonly TaggedTest[];
}

/** The last event of `node:test`, as `node_reporter.ts` writes it. */
interface NodeSummary {
  counts: { passed: number; failed: number; cancelled: number; skipped: number; todo: number };
}

/** Reads the report that `node_reporter.ts` wrote; undefined where it was never finished. */
export function readNodeReport(text: string): Counts | undefined {
  const lines = text.trim().split("\n");
  const line = lines.pop();
  if (!line) return undefined;
  const { counts } = JSON.parse(line) as NodeSummary;
  // A suite has a summary of its own in front of the last one, and no title.
  const tagged = lines.map((one) => JSON.parse(one) as Partial<TaggedTest>).filter((one) => one.title !== undefined);
  return {
    tagged: tagged as TaggedTest[],
    passed: counts.passed,
    failed: counts.failed + counts.cancelled,
    skipped: counts.skipped + counts.todo,
  };
}

/** Reads a JUnit report of Bun or Deno; undefined where it was never finished. */
export function readJunitReport(text: string): Counts | undefined {
  if (!text.includes("</testsuites>")) return undefined;
  const tagged: TaggedTest[] = [];
  const counts: Counts = { passed: 0, failed: 0, skipped: 0, tagged };
  const cases = [...text.matchAll(/<testcase\s+name="([^"]*)"[^>]*?(?:\/>|>([\s\S]*?)<\/testcase>)/g)].map((match) => ({
    name: match[1],
    body: match[2] ?? "",
  }));
  // Deno reports a suite as a case of its own, named like the beginning of what is in it. Bun names each leaf alone.
  const parents = new Set<string>();
  for (const { name } of cases) {
    const parts = name.split(" &gt; ");
    for (let depth = 1; depth < parts.length; depth++) parents.add(parts.slice(0, depth).join(" &gt; "));
  }
  for (const { name, body } of cases) {
    if (parents.has(name)) continue;
    const isSkipped = /<skipped[\s/>]/.test(body);
    if (/<(failure|error)[\s/>]/.test(body)) counts.failed++;
    else {
      if (isSkipped) counts.skipped++;
      else counts.passed++;
      if (name.includes("[fault")) tagged.push({ title: name, isSkipped });
    }
  }
  return counts;
}
