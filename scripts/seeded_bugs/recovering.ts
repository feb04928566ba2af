/** Mistakes in what recovery believes, cuts and keeps. */
import { type Bug, bug } from "./bug.ts";

const SCAN = "src/recovery/scan.ts";
const HINTS = "src/recovery/hints.ts";
const REPAIR = "src/recovery/repair.ts";

export const RECOVERING: readonly Bug[] = [
  bug(
    "anchor-believed-over-log",
    "Where the anchor says that data ends, it does, whatever the file holds there.",
    HINTS,
    "if (end.last.position + HEADER_BYTES > end.position) return",
    'if (segment.bytes >= end.position) return { kind: "found", epoch: 0 };\n' +
      "  if (end.last.position + HEADER_BYTES > end.position) return",
  ),
  bug(
    "anchor-of-another-boot",
    "What an anchor calls written is expected to be there after a power loss, too.",
    "src/anchor/anchor.ts",
    "return isKnown(a.boot) && isKnown(a.mount) && equalBytes(a.boot, b.boot) && equalBytes(a.mount, b.mount);",
    "return isKnown(a.boot) && isKnown(a.mount) && isKnown(b.boot) && isKnown(b.mount);",
  ),
  bug(
    "zero-tail-taken-for-data",
    "Zeros behind the last batch belong to the data, and the next batch goes behind them.",
    SCAN,
    "if (!(step instanceof Promise ? await step : step)) return { end, epoch, fault: scanner.fault };",
    "if (!(step instanceof Promise ? await step : step)) {\n" +
      '      const isZero = scanner.fault?.startsWith("magic is 0");\n' +
      "      if (isZero) return { end: { ...end, position: bytes }, epoch, fault: undefined };\n" +
      "      return { end, epoch, fault: scanner.fault };\n    }",
  ),
  bug(
    "offset-continuity-not-checked",
    "Recovery takes a batch with any base offset for the next one.",
    SCAN,
    "if (rules.holes ? baseOffset < expectedOffset : baseOffset !== expectedOffset) {",
    "if (baseOffset < 0) {",
  ),
  bug(
    "epoch-fall-not-checked",
    "Batches of an earlier life join the log again behind those of a later one.",
    SCAN,
    "if (epoch < lowest) {",
    "if (epoch < 0) {",
  ),
  bug(
    "epoch-start-not-believed",
    "A batch that a power loss took joins the log again where the next power loss shows it in its old place.",
    SCAN,
    "return began !== undefined && offset >= began.offset ? Math.max(before, began.epoch) : before;",
    "return began !== undefined && offset < 0 ? Math.max(before, began.epoch) : before;",
  ),
  bug(
    "index-continued-after-a-power-loss",
    "Rows that stand behind the size of an index come back among new ones.",
    "src/recovery/restore_index.ts",
    "if (goesOn && await old.size() === position) return old;",
    "if (await old.size() === position || !goesOn && position < 0) return old;",
  ),
  bug(
    "torn-tail-not-kept",
    "A tail is cut off without a copy.",
    REPAIR,
    "keptAside = await keepTail(vfs, directory, end, analysis.cutBytes);",
    "keptAside = analysis.cutBytes < 0 ? await keepTail(vfs, directory, end, analysis.cutBytes) : undefined;",
  ),
  bug(
    "later-segments-deleted",
    "Segments behind a hole are removed, not set aside.",
    REPAIR,
    "if (bytes === 0) await vfs.remove(logPath(directory, base));",
    "if (bytes >= 0) await vfs.remove(logPath(directory, base));",
  ),
  bug(
    "last-batch-dropped",
    "Recovery does not see the last byte of a segment, and cuts the batch that ends with it.",
    SCAN,
    "const result = await scanSegment(file, segment.bytes, end, epoch, rules);",
    "const result = await scanSegment(file, segment.bytes - 1, end, epoch, rules);",
  ),
  bug(
    "damage-cut-as-a-tail",
    "Damage in front of data that was acknowledged on disk is cut off as a torn tail.",
    "src/recovery/analyse.ts",
    "if (scan.end.nextOffset < hints.required) return",
    "if (scan.end.nextOffset < hints.required && scan.restBytes === 0) return",
  ),
  bug(
    "old-indexes-stay",
    "The index of a segment that was set aside waits for the next segment of that name.",
    REPAIR,
    "if (!analysis.fromCleanMark) await removeIndexesBehind(vfs, inventory, end);",
    "",
  ),
];
