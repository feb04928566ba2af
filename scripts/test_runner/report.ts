/** What one test file did on one runtime, read from the runtime's own report. */
export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/** The last event of `node:test`, as `node_reporter.ts` writes it. */
interface NodeSummary {
  counts: { passed: number; failed: number; cancelled: number; skipped: number; todo: number };
}

/** Reads the report that `node_reporter.ts` wrote; undefined where it was never finished. */
export function readNodeReport(text: string): Counts | undefined {
  const line = text.trim().split("\n").at(-1);
  if (!line) return undefined;
  const { counts } = JSON.parse(line) as NodeSummary;
  return {
    passed: counts.passed,
    failed: counts.failed + counts.cancelled,
    skipped: counts.skipped + counts.todo,
  };
}

/** Reads a JUnit report of Bun or Deno; undefined where it was never finished. */
export function readJunitReport(text: string): Counts | undefined {
  if (!text.includes("</testsuites>")) return undefined;
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
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
    if (/<(failure|error)[\s/>]/.test(body)) counts.failed++;
    else if (/<skipped[\s/>]/.test(body)) counts.skipped++;
    else counts.passed++;
  }
  return counts;
}
