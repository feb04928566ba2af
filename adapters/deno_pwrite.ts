/**
 * Positional writes on Deno that neither block the calling thread nor queue behind each other: `pwrite` of the C library, which
 * is part of every system, called on Deno's own threads. Deno itself has no such call: `node:fs` writes on the calling thread, and
 * a `Deno.FsFile` has one position and no O_DIRECT. Needs `--allow-ffi`; without it nothing is asked and nothing lost but speed.
 *
 * @module
 */
import { writeSync } from "node:fs";
import type { BackgroundWriter } from "./posix_file.ts";

/** The parts of Deno's own interface used here; its types are unknown to the other runtimes. */
export interface DenoForeign {
  build: { os: string };
  permissions: { querySync(descriptor: { name: "ffi" }): { state: string } };
  dlopen(
    path: string,
    symbols: Record<"pwrite", { parameters: string[]; result: string; nonblocking: true }>,
  ): {
    symbols: { pwrite(fd: number, from: unknown, bytes: bigint, position: bigint): Promise<number | bigint> };
    close(): void;
  };
  UnsafePointer: { of(bytes: Uint8Array): unknown };
}

/** Names of the C library. Where it has another one, `node:fs` does as well. */
const LIBRARIES: Readonly<Record<string, string>> = { linux: "libc.so.6", darwin: "libSystem.dylib" };

/** A writer on `fd`, or `undefined` where the permission or the library is missing. */
export function openPwriteWriter(deno: DenoForeign, fd: number): BackgroundWriter | undefined {
  const path = LIBRARIES[deno.build.os];
  if (path === undefined || deno.permissions.querySync({ name: "ffi" }).state !== "granted") return undefined;
  let library: ReturnType<DenoForeign["dlopen"]>;
  try {
    library = deno.dlopen(path, {
      pwrite: { parameters: ["i32", "pointer", "usize", "i64"], result: "isize", nonblocking: true },
    });
  } catch {
    return undefined;
  }
  return {
    write: async (from, position) => {
      // The view keeps its memory alive until the call is back.
      const pointer = deno.UnsafePointer.of(from);
      const count = Number(await library.symbols.pwrite(fd, pointer, BigInt(from.length), BigInt(position)));
      if (count >= 0) return count;
      // The reason stayed behind on another thread: the same bytes at the same place once more, and it is told.
      return writeSync(fd, from, 0, from.length, position);
    },
    close: () => library.close(),
  };
}
