/** Writes across a limit on the size of files and prints what came of it. */
import process from "node:process";
import { runtimeVfs } from "../../adapters/runtime.ts";
import { VfsError, type VfsFile } from "../../src/vfs.ts";

async function tryWrite(file: VfsFile, size: number, position: number): Promise<string> {
  try {
    await file.write(new Uint8Array(size).fill(7), position);
    return "written";
  } catch (error) {
    return error instanceof VfsError ? error.code : String(error);
  }
}

const file = await runtimeVfs().open(process.argv[2], "create");
console.log(`small ${await tryWrite(file, 10_000, 200_000)}`);
console.log(`large ${await tryWrite(file, 1_000_000, 100_000)}`);
await file.close();
