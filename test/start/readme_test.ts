/** The README keeps its word: its programs run on every runtime, its commands print what it says, its links lead somewhere. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { CURRENT, Project, ROOT, run } from "./package.ts";

interface Block {
  readonly language: string;
  readonly text: string;
  /** Line in the README, from 1. */
  readonly line: number;
}

interface Command {
  readonly command: string;
  readonly output: string;
}

const README = readFileSync(join(ROOT, "README.md"), "utf8");
const RUN = { node: ["node"], bun: ["bun"], deno: ["deno", "run", "-A"] }[CURRENT];
const TYPE_CHECK = ["--noEmit", "--strict", "--module", "nodenext", "--target", "esnext", "--lib", "esnext,dom"];

function blocksOf(markdown: string): Block[] {
  return [...markdown.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map((match) => ({
    language: match[1],
    text: match[2],
    line: markdown.slice(0, match.index).split("\n").length,
  }));
}

/** Programs with what they print: the `text` block behind them, where there is one. */
function programsOf(blocks: readonly Block[]): { program: Block; output: string | undefined }[] {
  return blocks.flatMap((program, i) => {
    if (program.language !== "ts") return [];
    return [{ program, output: blocks[i + 1]?.language === "text" ? blocks[i + 1].text : undefined }];
  });
}

function commandsOf(blocks: readonly Block[]): Command[] {
  return blocks.filter(({ language }) => language === "console").flatMap(({ text }) =>
    text.split(/^\$ /m).slice(1).map((part) => {
      const end = part.indexOf("\n");
      return { command: part.slice(0, end), output: part.slice(end + 1) };
    })
  );
}

/** Compares line by line; `…` stands for anything in a line. */
function assertPrinted(printed: string, expected: string): void {
  const pattern = expected.trimEnd().split("…").map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")).join(".*");
  assert.match(printed.trimEnd(), new RegExp(`^${pattern}$`), `expected:\n${expected}\nprinted:\n${printed}`);
}

/** Targets of relative links and pictures. */
function linksOf(markdown: string): string[] {
  return [...markdown.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)].map((match) => match[1]).filter((link) =>
    !/^[a-z]+:/.test(link)
  );
}

describe("README", () => {
  const blocks = blocksOf(README);
  const programs = programsOf(blocks);
  const commands = commandsOf(blocks);
  let project: Project;
  before(async () => {
    project = await Project.create();
  });
  after(() => project?.remove());

  it("has programs and commands", () => {
    assert.ok(programs.length >= 5 && programs.some(({ output }) => output !== undefined));
    assert.ok(commands.length >= 5);
  });

  // In their order: later ones read what earlier ones wrote.
  for (const { program: { text, line }, output } of programs) {
    it(`runs the program in line ${line}`, async () => {
      writeFileSync(join(project.directory, `line_${line}.ts`), text);
      const [program, ...args] = RUN;
      const { exitCode, stdout, stderr } = await run(program, [...args, `line_${line}.ts`], project.directory);
      assert.equal(exitCode, 0, stderr);
      assert.equal(stderr, "");
      assert.ok(stdout !== "" || !text.includes("console.log"), "it printed nothing");
      if (output !== undefined) assertPrinted(stdout, output);
    });
  }

  // `npx` starts the command on Node whatever runs this test, and types are the same everywhere.
  if (CURRENT === "node") {
    it("has programs without a type error", async () => {
      const files = readdirSync(project.directory).filter((name) => name.endsWith(".ts"));
      assert.equal(files.length, programs.length);
      const { exitCode, stdout } = await run("tsc", [...TYPE_CHECK, ...files], project.directory);
      assert.equal(exitCode, 0, stdout);
    });

    for (const { command, output } of commands) {
      it(`prints what it says: ${command}`, async () => {
        const { stdout, stderr } = await run("sh", ["-c", command], project.directory);
        assertPrinted(stderr + stdout, output);
      });
    }
  }

  it("lists files that its programs have made", () => {
    const paths = [...README.matchAll(/^data\/\S+/gm)].map((match) => match[0]);
    assert.ok(paths.length >= 5);
    for (const path of paths) assert.ok(existsSync(join(project.directory, path)), path);
  });

  it("names scripts that exist", () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { scripts: object };
    const named = [...README.matchAll(/npm (?:run )?(start|test|run [\w:]+)/g)].map((match) => match[1]);
    assert.ok(named.includes("start") && named.includes("test"));
    for (const name of named) assert.ok(name in scripts, `npm run ${name}`);
  });

  for (const file of ["README.md", "docs/architecture.md", "docs/format.md", "docs/reliability.md"]) {
    it(`has no dead link in ${file}`, () => {
      const markdown = readFileSync(join(ROOT, file), "utf8");
      for (const link of linksOf(markdown)) assert.ok(existsSync(join(ROOT, dirname(file), link)), link);
    });
  }

  it("has an architecture page with the layers that the tests hold the source to", () => {
    const rules = readFileSync(join(ROOT, "test/imports_test.ts"), "utf8");
    const [layers] = /const LAYERS[\s\S]*?^\];/m.exec(rules) ?? [""];
    const tested = [...layers.matchAll(/\["(src\/[^"]+)".*\]/g)].map((match) => match[0].match(/src\/[^"]+/g)!);
    const page = readFileSync(join(ROOT, "docs/architecture.md"), "utf8");
    const told = [...page.matchAll(/^\| (`src\/[^|]*) \|/gm)].map((match) => match[1].match(/src\/[^`]+/g)!);
    assert.ok(tested.length > 5);
    // `src/log.ts` may exist beside its folder, and does not.
    assert.deepEqual(told, tested.map((places) => places.filter((place) => existsSync(join(ROOT, place)))));
  });

  it("has a picture that is whole", () => {
    const picture = readFileSync(join(ROOT, "docs/flow.svg"), "utf8");
    const open: string[] = [];
    for (const [, end, name, closed] of picture.replace(/<!--[\s\S]*?-->/g, "").matchAll(/<(\/?)(\w+)[^>]*?(\/?)>/g)) {
      if (end) assert.equal(open.pop(), name);
      else if (!closed) open.push(name);
    }
    assert.deepEqual(open, []);
    assert.match(picture, /prefers-color-scheme: dark/);
  });
});
