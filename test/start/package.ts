/** What the tests of the first steps share: the package as a user has it, and programs that run to their end. */
import { execFile } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";

export const ROOT: string = join(import.meta.dirname!, "../..");
const BINARIES = join(ROOT, "node_modules/.bin");
/** No test process lives longer. */
const LIFE_MS = 120_000;

export type RuntimeName = "node" | "bun" | "deno";

/** The runtime of this test. */
export const CURRENT: RuntimeName = process.versions.bun !== undefined
  ? "bun"
  : process.versions.deno !== undefined
  ? "deno"
  : "node";

/** What a program printed, and how it ended. */
export interface Ending {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end, whatever that is. What `npm ci` installed is found first. */
export async function run(program: string, args: readonly string[], directory: string): Promise<Ending> {
  // What npm tells the scripts it runs would send `npx` to this project instead of the test's.
  const outer = Object.entries(process.env).filter(([name]) => !name.startsWith("npm_"));
  const own = { NO_COLOR: "1", npm_config_loglevel: "error", PATH: BINARIES + delimiter + process.env.PATH };
  const env = { ...Object.fromEntries(outer), ...own };
  const installed = existsSync(join(BINARIES, program)) ? join(BINARIES, program) : program;
  const options = {
    cwd: directory,
    env,
    timeout: LIFE_MS,
    killSignal: "SIGKILL" as const,
    maxBuffer: 16 * 1024 * 1024,
  };
  try {
    return { exitCode: 0, ...await promisify(execFile)(installed, args, options) };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: unknown; stdout?: string; stderr?: string };
    if (typeof code !== "number") throw error;
    return { exitCode: code, stdout: stdout ?? "", stderr: stderr ?? "" };
  }
}

/** An empty folder in which the package is installed, as a user has it. */
export class Project {
  readonly directory: string = mkdtempSync(join(tmpdir(), "bimip-project-"));
  /** The built `dist`. */
  readonly dist: string = join(this.directory, "node_modules/@bimip/log/dist");

  static async create(): Promise<Project> {
    const project = new Project();
    try {
      await project.#install();
    } catch (error) {
      project.remove();
      throw error;
    }
    return project;
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  async #install(): Promise<void> {
    const built = process.env.TEST_PACKAGE;
    if (built !== undefined) cpSync(built, this.dist, { recursive: true });
    else {
      const build = join(ROOT, "scripts/build.ts");
      const { exitCode, stdout, stderr } = await run("node", [build, "--out", this.dist], ROOT);
      if (exitCode !== 0) throw new Error(`Cannot build: ${stdout}${stderr}`);
    }
    cpSync(join(ROOT, "package.json"), join(this.dist, "../package.json"));
    const commands = join(this.directory, "node_modules/.bin");
    mkdirSync(commands);
    symlinkSync("../@bimip/log/dist/src/cli/main.js", join(commands, "bimiplog"));
    writeFileSync(join(this.directory, "package.json"), JSON.stringify({ private: true, type: "module" }));
  }
}
