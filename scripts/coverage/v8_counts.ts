/**
 * What V8 counted: how often each range of each source file ran, summed over all processes that wrote to a directory.
 *
 * @module
 */
import { mergeScriptCovs, type ScriptCov } from "@bcoe/v8-coverage";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

/** Answers how often the code at a position of the source ran. */
export type CountAt = (position: number) => number;

/** The counts of every file below `root`, by path from there. `directory` is what `NODE_V8_COVERAGE` named. */
export function readCounts(directory: string, root: string): Map<string, CountAt> {
  const prefix = `${pathToFileURL(root)}/`;
  const scripts = new Map<string, ScriptCov[]>();
  for (const name of readdirSync(directory)) {
    const { result } = JSON.parse(readFileSync(join(directory, name), "utf8")) as { result: ScriptCov[] };
    for (const script of result) {
      if (!script.url.startsWith(prefix)) continue;
      const path = decodeURIComponent(script.url.slice(prefix.length));
      const same = scripts.get(path);
      if (same === undefined) scripts.set(path, [script]);
      else same.push(script);
    }
  }
  return new Map([...scripts].map(([path, same]) => [path, counter(mergeScriptCovs(same)!)]));
}

/** Ranges are nested; the innermost one around a position counts. */
function counter({ functions }: ScriptCov): CountAt {
  const ranges = functions.flatMap((one) => one.ranges)
    .sort((a, b) => a.startOffset - b.startOffset || b.endOffset - a.endOffset);
  return (position) => {
    let count = 0;
    for (const range of ranges) {
      if (range.startOffset > position) break;
      if (position < range.endOffset) count = range.count;
    }
    return count;
  };
}
