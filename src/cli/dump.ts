/**
 * `bimiplog dump`: what stands in one file of a log.
 *
 * @module
 */
import { runtimeVfs } from "../../adapters/runtime.ts";
import { readU16, readU32 } from "../bytes.ts";
import { MAGIC, MAGIC_AT } from "../batch/format.ts";
import { ROW_BYTES, ROW_FILE_HEADER } from "../index/rows.ts";
import { TRIMS_NAME } from "../anchor/trims_file.ts";
import { isCursorFile } from "../consumers/names.ts";
import { VfsError, type VfsFile } from "../vfs.ts";
import type { Command, Context } from "./command.ts";
import { dumpBatches } from "./dump_batches.ts";
import { dumpCursor } from "./dump_cursor.ts";
import { type Dump, plainLine } from "./dump_line.ts";
import { dumpManifest } from "./dump_manifest.ts";
import { dumpRows } from "./dump_rows.ts";
import { dumpSlots, slotFileKind } from "./dump_slots.ts";
import { dumpSnapshot } from "./dump_snapshot.ts";
import { dumpTable, isTable } from "./dump_table.ts";
import { dumpTrims } from "./dump_trims.ts";
import { EXIT_CORRUPT, EXIT_DONE } from "./exit_codes.ts";

const DETAILS = `
FILE is a .log, an .idx (of a segment, or of users), a .snapshot, an anchor, a state, a trims, a cursor of a consumer or a bimip.json. One line for each
batch, row, slot or mark; what is damaged is marked INVALID, and the exit code is then 3.

  --json    one object a line
`;

export const dumpCommand: Command = {
  name: "dump",
  synopsis: "FILE [--json]",
  summary: "show what stands in one file of a log",
  details: DETAILS,
  options: { json: "flag" },
  readsOnly: true,
  run: dump,
};

async function dump({ args, stdout, interruption }: Context): Promise<number> {
  const path = args.only("file");
  const json = args.flag("json");
  const file = await runtimeVfs().open(path, "read");
  let isDamaged = false;
  try {
    const bytes = await file.size();
    for await (const line of (await dumpFor(file, bytes, path))(file, bytes, path)) {
      isDamaged ||= line.invalid !== undefined;
      const printed = stdout.text(`${json ? JSON.stringify(line) : plainLine(line)}\n`);
      if (printed instanceof Promise) await printed;
      if (interruption.signal.aborted) break;
    }
  } finally {
    await file.close();
  }
  return isDamaged ? EXIT_CORRUPT : EXIT_DONE;
}

/** The file's name decides, and where that says nothing its first bytes. */
async function dumpFor(file: VfsFile, bytes: number, path: string): Promise<Dump> {
  const name = path.slice(path.lastIndexOf("/") + 1);
  if (name.endsWith(".log")) return dumpBatches;
  if (name.endsWith(".snapshot")) return dumpSnapshot;
  if (name === "anchor" || name === "state") return dumpSlots(name);
  if (name === TRIMS_NAME) return dumpTrims;
  if (isCursorFile(name)) return dumpCursor;
  if (name.endsWith(".json")) return dumpManifest;
  const head = new Uint8Array(ROW_BYTES);
  const read = await file.read(head, 0);
  if (isTable(head)) return dumpTable;
  if (name.endsWith(".idx")) return name.startsWith("users-") ? dumpTable : dumpRows;
  const slotKind = slotFileKind(head);
  if (slotKind !== undefined) return dumpSlots(slotKind);
  if (readU16(head, 0) === ROW_BYTES && head[2] === ROW_FILE_HEADER) return dumpRows;
  if (head[0] === "{".charCodeAt(0)) return dumpManifest;
  if (read > MAGIC_AT && head[MAGIC_AT] === MAGIC && readU32(head, 0) < 2 ** 21) return dumpBatches;
  throw new VfsError(
    "IO",
    `Cannot dump ${path}: ${bytes === 0 ? "it is empty" : "it is not a file of a log that dump knows"}`,
    path,
  );
}
