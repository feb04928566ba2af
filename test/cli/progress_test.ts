/** The line that tells how far a long task has come: on a terminal, not for short tasks, and gone at the end. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Progress } from "../../src/cli/progress.ts";

class Terminal {
  readonly isTTY: boolean;
  text = "";

  constructor(isTTY: boolean) {
    this.isTTY = isTTY;
  }

  write(text: string): boolean {
    this.text += text;
    return true;
  }
}

describe("progress", () => {
  it("shows a bar once a task takes longer than a second, and takes it away", async () => {
    const terminal = new Terminal(true);
    const progress = new Progress(terminal);
    progress.show("copied 1 of 2 MB", 0.5);
    assert.equal(terminal.text, "");
    await new Promise((resolve) => setTimeout(resolve, 1050));
    progress.show("copied 1 of 2 MB", 0.5);
    assert.equal(terminal.text, `\r\x1b[K▕${"█".repeat(10)}${" ".repeat(10)}▏  50% copied 1 of 2 MB`);
    progress.show("too soon", 0.6);
    progress.clear();
    assert.ok(terminal.text.endsWith("MB\r\x1b[K"));
    progress.clear();
    assert.ok(terminal.text.endsWith("MB\r\x1b[K"));
  });

  it("shows nothing where there is no terminal, and no bar where nobody knows how much there is", async () => {
    const pipe = new Terminal(false);
    const terminal = new Terminal(true);
    const [silent, told] = [new Progress(pipe), new Progress(terminal)];
    await new Promise((resolve) => setTimeout(resolve, 1050));
    silent.show("text", 0.5);
    told.show("looked at 3 MB", 0 / 0);
    assert.deepEqual([pipe.text, terminal.text], ["", "\r\x1b[Klooked at 3 MB"]);
  });
});
