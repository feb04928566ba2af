/**
 * `bimiplog info`: what a log is and how it was left.
 *
 * @module
 */
import { runtimeVfs } from "../../adapters/runtime.ts";
import { openLog } from "../../mod.ts";
import { instanceIds } from "../anchor/anchor.ts";
import { describeStorage, isDirectPossible } from "../log/guarantee.ts";
import { listCursors } from "../consumers/list.ts";
import { readManifest, shardDirectory } from "../log/manifest.ts";
import { inferManifest } from "../log/manifest_inference.ts";
import { type Owner, readOwner } from "../log/owner.ts";
import { analyse, type Verdict } from "../recovery/analyse.ts";
import { takeInventory } from "../recovery/inventory.ts";
import { toHex } from "../bytes.ts";
import type { Command, Context } from "./command.ts";
import { EXIT_CORRUPT, EXIT_DONE } from "./exit_codes.ts";
import { isRunning } from "./processes.ts";
import { formatTable } from "./table.ts";

const DETAILS = `
Prints topic, number of shards, the file system and whether it takes writes past the page cache (direct writes), names of
consumers, and of each shard the first offset that can be read, the next one, where written and synced data ends (exclusive), its
segments and their bytes. The last line says how the log was left.

  --json    everything as one object
`;

export const infoCommand: Command = {
  name: "info",
  synopsis: "DIR [--json]",
  summary: "tell what a log is and how it was left",
  details: DETAILS,
  options: { json: "flag" },
  readsOnly: true,
  run: info,
};

interface ShardInfo {
  readonly shard: number;
  readonly earliest: number;
  readonly next: number;
  readonly written: number;
  readonly synced: number;
  readonly segments: number;
  readonly bytes: number;
  readonly verdict: Verdict;
  readonly cutBytes: number;
  /** Closed, or never written to. */
  readonly clean: boolean;
}

async function info({ args, stdout, interruption }: Context): Promise<number> {
  const directory = args.only("directory");
  const vfs = runtimeVfs();
  const log = await openLog(directory, { readOnly: true, signal: interruption.signal });
  try {
    // The log is open, so its manifest can be read, or inferred.
    const { manifest } = await readManifest(vfs, log.directory);
    const { id } = manifest ?? (await inferManifest(vfs, log.directory, true))!;
    const instance = instanceIds(await vfs.instance(log.directory));
    const shards: ShardInfo[] = [];
    for (const { id: shard, earliest, nextOffset, written, synced } of log.shards) {
      const files = await takeInventory(vfs, shardDirectory(log.directory, log.topic, shard), id, shard);
      // What the next opening would find: the reader that is open here does not look behind the published end.
      const { verdict, cutBytes } = await analyse(vfs, files, instance);
      const { segments, state } = files;
      const clean = state === undefined ? segments.length === 0 : state.clean !== undefined;
      const bytes = segments.reduce((sum, segment) => sum + segment.bytes, 0);
      shards.push({
        shard,
        earliest,
        next: nextOffset,
        written,
        synced,
        segments: segments.length,
        bytes,
        verdict,
        cutBytes,
        clean,
      });
    }
    const owner = await readOwner(vfs, log.directory);
    const opening = describeOpening(shards, owner, directory);
    const { topic } = log;
    const { network } = await vfs.instance(log.directory);
    const storage = { ...await vfs.storage?.(log.directory), ...(network === undefined ? {} : { network }) };
    const directIo = await isDirectPossible(vfs, log.directory) ? "possible" : "refused";
    const cursors = await listCursors({ vfs, directory: log.directory, logId: id }, log.shards.length);
    const consumers = cursors.map(({ file, cursor }) =>
      cursor?.name ?? `${file.slice(file.lastIndexOf("/") + 1)} (damaged)`
    );
    if (args.flag("json")) {
      const facts = { directory, topic, id: toHex(id), ...storage, directIo, shards, consumers, opening: opening.text };
      await stdout.text(`${JSON.stringify(facts)}\n`);
    } else {
      const where = network === undefined ? "" : ", over a network";
      const place = `on ${describeStorage(storage)}${where}; direct writes ${directIo}`;
      const named = consumers.length === 0 ? "" : `consumers ${consumers.join(", ")}\n`;
      const head = `topic ${topic}\nshards ${shards.length}\n${place}\n${named}`;
      await stdout.text(`${head}\n${shardTable(shards)}\n${opening.text}\n`);
    }
    return opening.isDamaged ? EXIT_CORRUPT : EXIT_DONE;
  } finally {
    await log.close();
  }
}

function shardTable(shards: readonly ShardInfo[]): string {
  const names = ["shard", "earliest", "next", "written", "synced", "segments", "bytes"] as const;
  return formatTable([[...names], ...shards.map((shard) => names.map((name) => String(shard[name])))]);
}

/** One sentence a person understands. */
function describeOpening(
  shards: readonly ShardInfo[],
  owner: Owner | undefined,
  directory: string,
): { text: string; isDamaged: boolean } {
  const who = owner === undefined ? "its writer" : `process ${owner.pid} (${owner.runtime})`;
  if (shards.every((shard) => shard.clean && shard.verdict === "clean")) {
    const empty = shards.every((shard) => shard.next === 0);
    return { text: empty ? "Nothing was written to this log yet." : "This log was closed cleanly.", isDamaged: false };
  }
  if (owner !== undefined && isRunning(owner.pid) && shards.some((shard) => !shard.clean)) {
    return { text: `This log is being written now by ${who}.`, isDamaged: false };
  }
  const named = (verdict: Verdict): string => {
    const numbers = shards.filter((shard) => shard.verdict === verdict).map((shard) => shard.shard);
    return numbers.length === 0 ? "" : `${numbers.length === 1 ? "shard" : "shards"} ${numbers.join(", ")}`;
  };
  const corrupt = named("corrupt");
  if (corrupt !== "") {
    const text = `This log is damaged in ${corrupt}, which can only be read; bimiplog verify ${directory} tells where.`;
    return { text, isDamaged: true };
  }
  const loss = named("loss");
  if (loss !== "") {
    const text = `This log lacks records of ${loss} that were acknowledged; bimiplog verify ${directory} tells which.`;
    return { text, isDamaged: true };
  }
  const cutBytes = shards.reduce((sum, shard) => sum + shard.cutBytes, 0);
  const tail = cutBytes === 0
    ? "the next opening will check the end of its data"
    : `the next opening will cut off ${cutBytes} bytes behind the last whole batch`;
  return { text: `This log was not closed: ${who} ended before it could; ${tail}.`, isDamaged: false };
}
