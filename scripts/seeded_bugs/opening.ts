/** Mistakes in opening a log, before anything in it is judged. */
import { type Bug, bug } from "./bug.ts";

export const OPENING: readonly Bug[] = [
  bug(
    "lock-not-taken",
    "Two writers may have the log open.",
    "src/log/lock.ts",
    'return await vfs.lock(`${directory}/lock`, "exclusive");',
    "return { release: () => {} };",
  ),
  bug(
    "manifest-copy-not-read",
    "A damaged manifest is not replaced by its second copy.",
    "src/log/manifest.ts",
    "for (const name of MANIFEST_NAMES) {",
    "for (const name of MANIFEST_NAMES.slice(0, 1)) {",
  ),
  bug(
    "epoch-not-raised",
    "An opening appends with the epoch of the one before.",
    "src/log/open_shard.ts",
    "const epoch = analysis.epoch + 1;",
    "const epoch = analysis.epoch;",
  ),
  bug(
    "loss-not-told",
    "A log from which acknowledged data is gone opens as if nothing were wrong.",
    "src/log/open_shard.ts",
    "if (analysis.problem !== undefined && !acceptDataLoss) throw analysis.problem;",
    "",
  ),
  bug(
    "slot-checksum-not-checked",
    "A torn slot of state or anchor is believed.",
    "src/anchor/slot_file.ts",
    "if (readU32(bytes, 4) !== crc32c(bytes, CRC_FROM, SLOT_BYTES)) return undefined;",
    "",
  ),
  bug(
    "older-slot-believed",
    "Of two valid slots the older one counts.",
    "src/anchor/slot_file.ts",
    "slot.generation > newest.slot.generation",
    "slot.generation < newest.slot.generation",
  ),
];
