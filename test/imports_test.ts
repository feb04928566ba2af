/**
 * The shape of the source: imports go one way, nothing is circular, the engine knows no runtime, and every
 * file is small and named in snake_case.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { describe, it } from "node:test";

/** From bottom to top: a file imports only from its own layer and those above it in this list. */
const LAYERS: readonly (readonly string[])[] = [
  ["src/vfs.ts", "src/if_there.ts", "src/errors.ts", "src/bytes.ts", "src/scratch.ts", "src/aborting.ts"],
  ["src/batch/"],
  ["src/telemetry/"],
  ["src/retention/retention_options.ts"],
  ["src/options.ts"],
  ["src/anchor/"],
  ["src/index/"],
  ["src/segment/"],
  ["src/recovery/"],
  ["src/idempotence/"],
  ["src/claims/"],
  ["src/retention/"],
  ["src/shard/"],
  ["src/read/"],
  ["src/users/"],
  ["src/backup/"],
  ["src/consumers/"],
  ["src/log.ts", "src/log/"],
  ["src/typed/"],
  ["src/producer/"],
  ["src/verify/"],
];

/** What stands beside or on top of the layers, and the only files that it may import. */
const OUTSIDE: readonly (readonly [from: string, ...allowed: string[]])[] = [
  ["adapters/", "src/vfs.ts", "src/batch/codecs.ts", "adapters/"],
  ["src/cli/", "src/", "adapters/", "mod.ts"],
  ["src/testing/", ...LAYERS.flat(), "src/testing/", "adapters/memory.ts"],
  ["testing.ts", ...LAYERS.flat(), "src/testing/", "adapters/memory.ts", "adapters/codecs.ts"],
  ["src/kafka/", ...LAYERS.flat(), "src/kafka/", "adapters/"],
  ["kafka.ts", ...LAYERS.flat(), "src/kafka/", "adapters/"],
  ["mod.ts", ...LAYERS.flat(), "adapters/"],
  ["producer.ts", ...LAYERS.flat(), "adapters/system.ts", "adapters/codecs.ts"],
  ["consumer.ts", ...LAYERS.flat(), "adapters/", "src/kafka/group/worker_consumer.ts"],
];

/** Folders that may import modules of a runtime; no file imports a package. */
const RUNTIME_MODULES = /^(node|bun):/;
const MAY_USE_RUNTIME = ["adapters/", "src/cli/", "src/kafka/"];
const RUNTIME_GLOBALS = /\b(Deno|Bun|process|Buffer|__dirname|__filename)\b(?=\s*(\?\.|\.|\[))|\brequire(?=\s*\()/g;
const NAME = /^[a-z0-9]+(_[a-z0-9]+)*(\.(ts|wat))?$/;
const MAX_LINES = 300;

/** Where code for clusters is always wanted; elsewhere it is loaded once it is. */
const FOR_CLUSTERS = ["kafka.ts", "src/kafka/", "src/cli/"];

type Sources = ReadonlyMap<string, string>;

const TOKENS =
  /\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`|(?<=[=(,:!&|?;{}[\n]\s*)\/(?![/*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[a-z]*/g;
const IMPORTS =
  /(?:\bfrom|\bimport)\s*\(?\s*(["'])([^"'\n]+)\1|new\s+URL\(\s*(["'])(\.[^"'\n]+)\3\s*,\s*import\.meta\.url/g;

/** Everything that a module imports, types and dynamic imports included. Comments do not count. */
function importsOf(file: string, source: string): string[] {
  if (!file.endsWith(".ts")) return [];
  const code = source.replace(TOKENS, (token) => token.startsWith("/*") || token.startsWith("//") ? " " : token);
  return [...code.matchAll(IMPORTS)].map((match) => match[2] ?? match[4]);
}

/** The code of a file without comments, strings and regular expressions. */
function codeOf(source: string): string {
  return source.replace(TOKENS, (token) => "\n".repeat(token.split("\n").length - 1) || " ");
}

/** Import paths of the project's own files, resolved. */
function ownImports(file: string, source: string): string[] {
  return importsOf(file, source).filter((path) => path.startsWith(".")).map((path) =>
    posix.join(posix.dirname(file), path)
  );
}

function isIn(file: string, places: readonly string[]): boolean {
  return places.some((place) => place.endsWith("/") ? file.startsWith(place) : file === place);
}

function checkLayers(sources: Sources): string[] {
  const problems: string[] = [];
  for (const [file, source] of sources) {
    const layer = LAYERS.findIndex((places) => isIn(file, places));
    const outside = OUTSIDE.find(([from]) => isIn(file, [from]));
    if (layer < 0 && !outside) problems.push(`${file} is in no layer`);
    const allowed = layer < 0 ? outside?.slice(1) ?? [] : LAYERS.slice(0, layer + 1).flat();
    for (const target of ownImports(file, source)) {
      if (!isIn(target, allowed)) problems.push(`${file} must not import ${target}`);
    }
  }
  return problems;
}

function checkCycles(sources: Sources): string[] {
  const problems: string[] = [];
  const done = new Set<string>();
  const visit = (file: string, path: string[]): void => {
    if (path.includes(file)) problems.push([...path.slice(path.indexOf(file)), file].join(" → "));
    if (path.includes(file) || done.has(file)) return;
    for (const target of ownImports(file, sources.get(file) ?? "")) visit(target, [...path, file]);
    done.add(file);
  };
  for (const file of sources.keys()) visit(file, []);
  return problems;
}

function checkClusters(sources: Sources): string[] {
  const problems: string[] = [];
  for (const [file, source] of sources) {
    if (isIn(file, FOR_CLUSTERS)) continue;
    const atOnce = ownImports(file, source.replace(/\bimport\s*\([^)]*\)/g, ""));
    for (const target of atOnce.filter((target) => target.startsWith("src/kafka/"))) {
      problems.push(`${file} must not load ${target} before it is wanted`);
    }
  }
  return problems;
}

function checkRuntimes(sources: Sources): string[] {
  const problems: string[] = [];
  for (const [file, source] of sources) {
    for (const path of importsOf(file, source).filter((path) => !path.startsWith("."))) {
      if (!RUNTIME_MODULES.test(path)) problems.push(`${file} imports the package ${path}`);
      else if (!isIn(file, MAY_USE_RUNTIME)) problems.push(`${file} imports ${path}`);
    }
    if (!file.startsWith("src/") || isIn(file, MAY_USE_RUNTIME)) continue;
    for (const match of codeOf(source).matchAll(RUNTIME_GLOBALS)) {
      problems.push(`${file} uses ${match[1] ?? "require"}`);
    }
  }
  return problems;
}

function checkNames(sources: Sources): string[] {
  const problems: string[] = [];
  for (const file of sources.keys()) {
    if (!file.split("/").every((part) => NAME.test(part))) problems.push(`${file} is not in snake_case`);
  }
  return problems;
}

function checkLengths(sources: Sources): string[] {
  const problems: string[] = [];
  for (const [file, source] of sources) {
    const lines = source.trimEnd().split("\n").length;
    if (file.endsWith(".ts") && lines > MAX_LINES) problems.push(`${file} has ${lines} lines`);
  }
  return problems;
}

function readSources(): Sources {
  const root = new URL("../", import.meta.url);
  const files = ["src", "adapters"].flatMap((folder) =>
    readdirSync(new URL(folder, root), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => posix.join(entry.parentPath.replaceAll("\\", "/"), entry.name))
      .map((path) => path.slice(path.lastIndexOf(`/${folder}/`) + 1))
  );
  return new Map(
    [...files.sort(), "mod.ts", "producer.ts", "consumer.ts", "kafka.ts", "testing.ts"].map((
      file,
    ) => [file, readFileSync(new URL(file, root), "utf8")]),
  );
}

const RULES: readonly {
  rule: string;
  check: (sources: Sources) => string[];
  /** Sources that break the rule, with the complaint they must cause. */
  breaks: readonly [files: Record<string, string>, complaint: string][];
  /** Sources that look suspicious and are fine. */
  keeps: Record<string, string>;
}[] = [
  {
    rule: "imports go from higher layers to lower ones",
    check: checkLayers,
    breaks: [
      [{ "src/batch/a.ts": 'import { b } from "../shard/b.ts";' }, "src/batch/a.ts must not import src/shard/b.ts"],
      [{ "src/vfs.ts": 'import type { A } from "./options.ts";' }, "src/vfs.ts must not import src/options.ts"],
      [{ "src/log.ts": 'await import("./cli/main.ts");' }, "src/log.ts must not import src/cli/main.ts"],
      [{ "src/read/a.ts": 'export * from "../../mod.ts";' }, "src/read/a.ts must not import mod.ts"],
      [{ "adapters/a.ts": 'import "../src/errors.ts";' }, "adapters/a.ts must not import src/errors.ts"],
      [{ "mod.ts": 'import "./src/cli/main.ts";' }, "mod.ts must not import src/cli/main.ts"],
      [{ "mod.ts": 'import "./src/testing/a.ts";' }, "mod.ts must not import src/testing/a.ts"],
      [
        { "src/testing/a.ts": 'import "../../adapters/node.ts";' },
        "src/testing/a.ts must not import adapters/node.ts",
      ],
      [
        { "src/shard/a.ts": 'new URL("../../adapters/a.ts", import.meta.url)' },
        "src/shard/a.ts must not import adapters/a.ts",
      ],
      [{ "src/somewhere/a.ts": "" }, "src/somewhere/a.ts is in no layer"],
    ],
    keeps: {
      "mod.ts": 'export { a } from "./src/shard/a.ts"; await import("./adapters/a.ts");',
      "adapters/a.ts": 'import { b } from "./b/c.ts"; import type {\n  V,\n} from "../src/vfs.ts";',
      "src/batch/a.ts": '// import "../shard/a.ts"\nimport { vfs } from "../vfs.ts";',
      "src/cli/main.ts": 'import "../../mod.ts"; import "../shard/a.ts";',
    },
  },
  {
    rule: "no import is circular",
    check: checkCycles,
    breaks: [
      [
        {
          "src/batch/a.ts": 'import "./b.ts";',
          "src/batch/b.ts": 'import "./c.ts";',
          "src/batch/c.ts": 'import "./a.ts";',
        },
        "src/batch/a.ts → src/batch/b.ts → src/batch/c.ts → src/batch/a.ts",
      ],
    ],
    keeps: {
      "src/batch/a.ts": 'import "./b.ts"; import "./c.ts";',
      "src/batch/b.ts": 'import "./c.ts";',
      "src/batch/c.ts": "",
    },
  },
  {
    rule: "code for clusters is loaded where it is wanted",
    check: checkClusters,
    breaks: [
      [
        { "consumer.ts": 'import { a } from "./src/kafka/a.ts";' },
        "consumer.ts must not load src/kafka/a.ts before it is wanted",
      ],
      [{ "consumer.ts": 'import "./src/kafka/a.ts";' }, "consumer.ts must not load src/kafka/a.ts before it is wanted"],
    ],
    keeps: {
      "consumer.ts": 'const { a } = await import("./src/kafka/a.ts");',
      "kafka.ts": 'export { a } from "./src/kafka/a.ts";',
    },
  },
  {
    rule: "only adapters and the command know the runtime, and nothing depends on a package",
    check: checkRuntimes,
    breaks: [
      [{ "src/batch/a.ts": 'import { open } from "node:fs";' }, "src/batch/a.ts imports node:fs"],
      [{ "mod.ts": 'await import("bun:sqlite");' }, "mod.ts imports bun:sqlite"],
      [{ "adapters/a.ts": 'import mri from "mri";' }, "adapters/a.ts imports the package mri"],
      [{ "src/log.ts": "const n = Deno.pid;" }, "src/log.ts uses Deno"],
      [{ "src/log.ts": 'const n = "x" + globalThis.process?.pid;' }, "src/log.ts uses process"],
      [{ "src/log.ts": "const quote = /[\"'`]/.test(s); Bun.write(quote);" }, "src/log.ts uses Bun"],
      [{ "src/log.ts": "Buffer.from(b)" }, "src/log.ts uses Buffer"],
    ],
    keeps: {
      "src/batch/a.wat": '(import "crc32c" "memory")',
      "adapters/a.ts": 'import { open } from "node:fs"; Bun.write(process.pid);',
      "src/batch/a.ts":
        "// Deno.pid\nconst s = 'process.env'; new ArrayBuffer(8); this.process; /* Bun.x */ const t = `Deno.x`;",
    },
  },
  {
    rule: "files and folders are named in snake_case",
    check: checkNames,
    breaks: [
      [{ "src/batch/recordReader.ts": "" }, "src/batch/recordReader.ts is not in snake_case"],
      [{ "src/user-index/a.ts": "" }, "src/user-index/a.ts is not in snake_case"],
    ],
    keeps: { "src/batch/record_batch_2.ts": "", "src/batch/crc32c.wat": "", "mod.ts": "" },
  },
  {
    rule: `no file has more than ${MAX_LINES} lines`,
    check: checkLengths,
    breaks: [[{ "src/log.ts": "a\n".repeat(MAX_LINES + 1) }, `src/log.ts has ${MAX_LINES + 1} lines`]],
    keeps: { "src/log.ts": "a\n".repeat(MAX_LINES) },
  },
];

describe("source", () => {
  const sources = readSources();

  it("is read completely", () => {
    for (const file of ["mod.ts", "src/vfs.ts", "src/batch/format.ts"]) assert.ok(sources.get(file), file);
  });

  for (const { rule, check, breaks, keeps } of RULES) {
    it(rule, () => assert.deepEqual(check(sources), []));

    for (const [files, complaint] of breaks) {
      it(`${rule}: complains that ${complaint}`, () => {
        assert.deepEqual(check(new Map(Object.entries(files))), [complaint]);
      });
    }

    it(`${rule}: has nothing against what only looks like it`, () => {
      assert.deepEqual(check(new Map(Object.entries(keeps))), []);
    });
  }
});
