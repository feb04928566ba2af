/** Logs in the state in which a program left them, made once by a real program that was killed. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Instance } from "../../mod.ts";
import { start } from "../runtimes/children.ts";
import { ControlledVfs } from "../shard/controlled_vfs.ts";

/** Files by path, and anchors of earlier moments by the offset that was written then. */
export interface LeftBehind {
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly anchors: ReadonlyMap<string, Uint8Array>;
}

function contentOf(directory: string): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  for (const path of readdirSync(directory, { recursive: true }).map(String)) {
    const full = join(directory, path);
    if (statSync(full).isFile()) files.set(path, new Uint8Array(readFileSync(full)));
  }
  return files;
}

async function make(close: boolean): Promise<LeftBehind> {
  const parent = mkdtempSync(join(tmpdir(), "bimip-left-"));
  try {
    const directory = join(parent, "log");
    const anchors = join(parent, "anchors");
    mkdirSync(anchors);
    const writer = start("two_lives.ts", { directory, anchors, close });
    await writer.line("ready");
    await writer.kill();
    return { files: contentOf(directory), anchors: contentOf(anchors) };
  } finally {
    rmSync(parent, { recursive: true, force: true });
  }
}

const made = new Map<"closed" | "killed", Promise<LeftBehind>>();

/** The files of a log of 100 records, of which 60 were synced before it was killed, or which was closed. */
export function leftBehind(how: "closed" | "killed"): Promise<LeftBehind> {
  let files = made.get(how);
  if (files === undefined) made.set(how, files = make(how === "closed"));
  return files;
}

/** Puts the files into a directory. */
export function putInto(directory: string, { files }: LeftBehind): void {
  for (const [path, content] of files) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), content);
  }
}

/** The real file system after what looks like a reboot: only what was synced is sure to be there. */
export class RebootedVfs extends ControlledVfs {
  override instance(): Instance {
    return { bootId: "another boot", mountId: "another mount" };
  }
}
