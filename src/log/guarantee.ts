/**
 * What an acknowledgement means in a certain directory.
 *
 * @module
 */
import type { Rung } from "../options.ts";
import { removeIfThere } from "../recovery/whole_file.ts";
import type { Clock, StorageInfo, Vfs } from "../vfs.ts";
import { VfsError } from "../vfs.ts";
import { MANIFEST_NAMES } from "./manifest.ts";

/** Name of the file that is synced to see how long that takes. */
export const PROBE_NAME = "guarantee.tmp";
const SYNCS = 5;
const PROBE_BYTES = 4096;

/** What an acknowledgement means here. */
export interface Guarantee {
  /** The rung on which `append` answers. */
  readonly rung: Rung;
  /** Kind of the file system, such as `ext4`; absent where it is not known. */
  readonly fileSystem?: string;
  /** What is mounted, such as `/dev/sda1`; absent where it is not known. */
  readonly device?: string;
  /** Kind of the network file system; absent where it is none, or not known. There, less is promised. */
  readonly network?: string;
  /** Whether the file system takes writes past the page cache. */
  readonly directIo: "possible" | "refused";
  /** How the last write of each shard went; `none` before the first one, and where it is open for reading. */
  readonly writeModes: readonly ("direct" | "cached" | "none")[];
  /** Whether a sync empties the disk's own cache, too; absent where it is not known. */
  readonly fullSync?: boolean;
  /** How long a sync of 4 KiB takes here: the median of five, in milliseconds; absent where it is open for reading only. */
  readonly syncMs?: number;
  /** All of it in a sentence or three for a person. */
  readonly text: string;
}

/** What the answer depends on. */
export interface GuaranteeQuestion {
  readonly vfs: Vfs;
  readonly clock: Clock;
  readonly directory: string;
  readonly rung: Rung;
  readonly writeModes: Guarantee["writeModes"];
  /** False: nothing may be written. */
  readonly mayWrite: boolean;
}

/** Looks at the file system, and measures. */
export async function findGuarantee(question: GuaranteeQuestion): Promise<Guarantee> {
  const { vfs, directory, rung, writeModes, mayWrite } = question;
  const { network } = await vfs.instance(directory);
  const storage = await vfs.storage?.(directory) ?? {};
  const directIo = await isDirectPossible(vfs, directory) ? "possible" : "refused";
  const facts = {
    rung,
    ...storage,
    ...(network === undefined ? {} : { network }),
    directIo,
    writeModes,
    ...(mayWrite ? { syncMs: await measureSync(question) } : {}),
  } as const;
  return { ...facts, text: describe(facts) };
}

/** Whether files here can be opened past the page cache. Nothing is written. */
export async function isDirectPossible(vfs: Vfs, directory: string): Promise<boolean> {
  for (const name of MANIFEST_NAMES) {
    try {
      await (await vfs.open(`${directory}/${name}`, "read", { direct: true })).close();
      return true;
    } catch (error) {
      if (!(error instanceof VfsError)) throw error;
      if (error.code !== "NOT_FOUND") return false;
    }
  }
  return false;
}

/** Kind and device in words. */
export function describeStorage({ fileSystem, device }: StorageInfo): string {
  if (fileSystem === undefined) return "an unknown file system";
  return device === undefined ? fileSystem : `${fileSystem} (${device})`;
}

async function measureSync({ vfs, clock, directory }: GuaranteeQuestion): Promise<number> {
  const path = `${directory}/${PROBE_NAME}`;
  // Left behind by a program that ended meanwhile.
  await removeIfThere(vfs, path);
  const file = await vfs.open(path, "create");
  try {
    const bytes = new Uint8Array(PROBE_BYTES);
    const times: number[] = [];
    for (let i = 0; i < SYNCS; i++) {
      bytes.fill(i + 1);
      await file.write(bytes, i * PROBE_BYTES);
      const startedMs = clock.monotonic();
      await file.sync();
      times.push(clock.monotonic() - startedMs);
    }
    return times.sort((a, b) => a - b)[SYNCS >> 1];
  } finally {
    await file.close();
    await removeIfThere(vfs, path);
  }
}

function describe(facts: Omit<Guarantee, "text">): string {
  const { rung, network, fullSync, syncMs } = facts;
  const means = rung === "disk"
    ? "the record was synced: it survives a power loss"
    : "the operating system has the record: it survives the end of this process, kill -9 included, and not a power loss";
  const sentences = [`An acknowledgement on rung ${rung} means that ${means}.`];
  const place = describeStorage(facts);
  const measured = syncMs === undefined ? "" : `, where a sync takes about ${syncMs.toPrecision(2)} ms`;
  sentences.push(`The log lies on ${place}${measured}.`);
  if (network !== undefined) {
    sentences.push(`It is a network file system (${network}): locks and syncs promise less there, or nothing.`);
  }
  if (fullSync === false) {
    sentences.push("A sync there does not empty the disk's own cache: a power loss may take what was synced.");
  }
  return sentences.join(" ");
}
