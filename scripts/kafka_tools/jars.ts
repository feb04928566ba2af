/**
 * Brings the jars that a Maven project file names, once for all programs that want them.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { delimiter, join } from "node:path";
import process from "node:process";

const CACHE = join(import.meta.dirname, "../../node_modules/.cache");
const DOWNLOAD_LIMIT_MS = 240_000;
const LOOK_AGAIN_MS = 100;

/** Which of the programs that Kafka needs are not installed. */
export function missingPrograms(): string[] {
  const places = (process.env.PATH ?? "").split(delimiter);
  return ["java", "mvn"].filter((name) => !places.some((place) => existsSync(join(place, name))));
}

/**
 * The class path of the jars that `pom` names. They are downloaded where they are not there, and kept as long as the list of
 * them is the same. Of several processes that want them at once, one downloads and the others wait.
 *
 * @param name Begins the name of the folder they are kept in.
 */
export function classPath(pom: string, name: string): string {
  const folder = jarFolder(pom, name);
  // In one order on every runtime: an archive of classes is only good for the path it was made with.
  const jars = readdirSync(folder).filter((name) => name.endsWith(".jar")).sort();
  return jars.map((name) => join(folder, name)).join(delimiter);
}

/** Where the classes of such a folder may be kept as a virtual machine has them in memory. It starts in half the time with them. */
export function classArchive(pom: string, name: string): string {
  return `${jarFolder(pom, name)}.jsa`;
}

function jarFolder(pom: string, name: string): string {
  const digest = createHash("sha256").update(readFileSync(pom)).digest("hex").slice(0, 12);
  const folder = join(CACHE, `${name}-${digest}`);
  if (existsSync(folder)) return folder;
  mkdirSync(CACHE, { recursive: true });
  const lock = `${folder}.lock`;
  const end = Date.now() + DOWNLOAD_LIMIT_MS + 10_000;
  while (!takeLock(lock)) {
    if (existsSync(folder)) return folder;
    if (Date.now() > end) throw new Error(`Cannot get Kafka's jars: ${lock} is held by another process; remove it`);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOOK_AGAIN_MS);
  }
  try {
    if (!existsSync(folder)) download(pom, folder, name);
  } finally {
    rmSync(lock, { force: true });
  }
  return folder;
}

/** A process that was killed leaves its lock: it counts no longer once its process is gone, or no download takes that long. */
function takeLock(lock: string): boolean {
  try {
    writeFileSync(lock, String(process.pid), { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as { code?: string }).code !== "EEXIST") throw error;
  }
  try {
    const age = Date.now() - statSync(lock).mtimeMs;
    if (age > DOWNLOAD_LIMIT_MS || (age > 1000 && !isAlive(Number(readFileSync(lock, "utf8"))))) rmSync(lock);
  } catch {
    // Its holder has just finished.
  }
  return false;
}

function isAlive(pid: number): boolean {
  try {
    return pid > 0 && process.kill(pid, 0);
  } catch {
    return false;
  }
}

function download(pom: string, folder: string, name: string): void {
  const partial = mkdtempSync(join(CACHE, `${name}-partial-`));
  try {
    const output = spawnSync(
      "mvn",
      ["-q", "-B", "-f", pom, "dependency:copy-dependencies", `-DoutputDirectory=${partial}`],
      { encoding: "utf8", timeout: DOWNLOAD_LIMIT_MS },
    );
    if (output.status !== 0) throw new Error(`Maven cannot download Kafka: ${output.stdout}${output.stderr}`);
    renameSync(partial, folder);
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
}
