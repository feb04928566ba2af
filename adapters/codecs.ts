/**
 * Compression with what every runtime brings along, `node:zlib`, and with the packages `lz4-napi` and `snappy` where they are.
 *
 * @module
 */
import { createRequire } from "node:module";
import process from "node:process";
import type { Codecs, Compression } from "../src/batch/codecs.ts";
import { type Lz4Package, packLz4, unpackLz4 } from "./lz4.ts";
import { packSnappy, type SnappyPackage, unpackSnappy } from "./snappy.ts";

/** Packages that bring the codecs which no runtime has. */
export interface CodecPackages {
  /** The module `lz4-napi`, or one with the same functions. */
  readonly lz4?: Lz4Package;
  /** The module `snappy`, or one with the same functions. */
  readonly snappy?: SnappyPackage;
}

/**
 * Codecs with packages that the program has imported itself: needed where the log cannot find them, as in a bundle or on Deno with
 * packages from JSR. gzip and zstd come from the runtime.
 *
 * @example
 * ```ts
 * import { codecsWith, openLog } from "@bimip/log";
 * import * as snappy from "snappy";
 *
 * const log = await openLog("./data/packed", { compression: "snappy", codecs: codecsWith({ snappy }) });
 * await log.close();
 * ```
 *
 * @param packages The imported modules.
 * @returns The option `codecs` of `openLog` and `BatchBuilder`.
 */
export function codecsWith(packages: CodecPackages): Codecs {
  return codecsOf(() => packages.lz4, () => packages.snappy);
}

/** gzip and zstd from the runtime; lz4 and snappy from their packages, looked for when they are first needed. */
export const runtimeCodecs: Codecs = codecsOf(
  finder<Lz4Package>("lz4-napi"),
  finder<SnappyPackage>("snappy"),
);

function codecsOf(lz4: () => Lz4Package | undefined, snappy: () => SnappyPackage | undefined): Codecs {
  return {
    decompress(codec: Compression, data: Uint8Array, maxBytes: number): Uint8Array | undefined {
      const options = { maxOutputLength: maxBytes };
      if (codec === "gzip") return zlib().gunzipSync(data, options);
      if (codec === "zstd") return zlib().zstdDecompressSync?.(data, options);
      if (codec === "lz4") return call(lz4(), (found) => unpackLz4(found, data, maxBytes));
      return call(snappy(), (found) => unpackSnappy(found, data, maxBytes));
    },
    compress(codec: Compression, data: Uint8Array): Uint8Array | undefined {
      if (codec === "gzip") return zlib().gzipSync(data);
      if (codec === "zstd") return zlib().zstdCompressSync?.(data);
      if (codec === "lz4") return call(lz4(), (found) => packLz4(found, data));
      return call(snappy(), (found) => packSnappy(found, data));
    },
  };
}

/** Node has zstd from 22.15 on. */
type Zlib =
  & Pick<typeof import("node:zlib"), "gzipSync" | "gunzipSync">
  & Partial<Pick<typeof import("node:zlib"), "zstdCompressSync" | "zstdDecompressSync">>;

/** Not imported: most logs are not compressed, and on Bun the module alone takes 4 MiB. */
function zlib(): Zlib {
  return process.getBuiltinModule("node:zlib");
}

function call<P>(found: P | undefined, use: (found: P) => Uint8Array): Uint8Array | undefined {
  return found === undefined ? undefined : use(found);
}

/** Looks for a package once, beside this module and then from the program's directory. */
function finder<P>(name: string): () => P | undefined {
  let found: P | undefined;
  let wasLookedFor = false;
  return () => {
    if (wasLookedFor) return found;
    wasLookedFor = true;
    for (const place of [import.meta.url, `${process.cwd()}/index.js`]) {
      try {
        found ??= createRequire(place)(name) as P;
      } catch {
        // Not there, not for this machine, or not permitted: the caller is told what to install.
      }
    }
    return found;
  };
}
