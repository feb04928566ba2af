/** Lines do not depend on the pieces that the input comes in. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LineSplitter } from "../../src/cli/line_splitter.ts";

/** The same by other means. */
function expectedLines(text: string): string[] {
  const lines = text.split("\n");
  const rest = lines.pop()!;
  return [...lines.map((line) => line.endsWith("\r") ? line.slice(0, -1) : line), ...(rest === "" ? [] : [rest])];
}

function split(text: string, sizes: () => number): string[] {
  const bytes = new TextEncoder().encode(text);
  const splitter = new LineSplitter();
  const lines: string[] = [];
  for (let at = 0; at < bytes.length;) {
    // The memory of a chunk is used again, as a stream may do.
    const chunk = bytes.slice(at, at + sizes());
    splitter.push(chunk);
    for (let line = splitter.next(); line !== undefined; line = splitter.next()) {
      lines.push(new TextDecoder().decode(line));
    }
    at += chunk.length;
    chunk.fill(0x21);
  }
  const rest = splitter.rest();
  if (rest !== undefined) lines.push(new TextDecoder().decode(rest));
  assert.equal(splitter.lines, lines.length);
  return lines;
}

describe("line splitter", () => {
  it("gives the same lines whatever pieces the input comes in", () => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    let random = seed;
    const below = (limit: number): number => {
      random = (Math.imul(random, 1_103_515_245) + 12_345) & 0x7fff_ffff;
      return (random >>> 8) % limit;
    };
    for (let round = 0; round < 2000; round++) {
      const text = Array.from({ length: below(30) }, () => ["\n", "\r", "a", "bcd", "\r\n"][below(5)]).join("");
      assert.deepEqual(
        split(text, () => 1 + below(5)),
        expectedLines(text),
        `seed ${seed}, round ${round}: ${JSON.stringify(text)}`,
      );
    }
  });

  it("tells how much of an unfinished line there is", () => {
    const splitter = new LineSplitter();
    splitter.push(new TextEncoder().encode("a\nbc"));
    assert.equal(splitter.next()?.length, 1);
    assert.equal(splitter.next(), undefined);
    splitter.push(new TextEncoder().encode("de"));
    assert.equal(splitter.next(), undefined);
    assert.equal(splitter.pendingBytes, 4);
  });
});
