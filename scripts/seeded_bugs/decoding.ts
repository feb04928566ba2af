/** Mistakes in what bytes are believed to be. */
import { type Bug, bug } from "./bug.ts";

const FORMAT = "src/batch/format.ts";
const INDEX = "src/index/index_file.ts";

export const DECODING: readonly Bug[] = [
  bug(
    "crc-not-checked",
    "A batch is intact whatever its checksum says.",
    FORMAT,
    "return actual === stored ? undefined :",
    "return actual === stored || stored >= 0 ? undefined :",
  ),
  bug(
    "length-not-bounded",
    "Memory is taken for as many bytes as the length field of a batch says.",
    FORMAT,
    "if (size > available) return `the length field says ${size} bytes, ${available} are left`;",
    "",
  ),
  bug(
    "index-row-trusted",
    "An index row is believed wherever it says that its batch is.",
    INDEX,
    "if (row === undefined || row.position !== this.position || row.position + row.bytes > limit) return false;\n" +
      "    if (!this.#continues(row.baseOffset)) return false;",
    "if (row === undefined) return false;",
  ),
  bug(
    "index-checksum-not-checked",
    "A damaged index row is believed.",
    "src/index/rows.ts",
    "return readU32(bytes, at + CRC_AT) === rowChecksum(bytes, at, length) ? length : 0;",
    "return length;",
  ),
  bug(
    "timestamps-do-not-run",
    "The largest timestamp of an index row is only that of its own batch.",
    "src/index/rows.ts",
    "return Math.max(before, header.maxTimestamp);",
    "return Math.max(-1, header.maxTimestamp, Math.min(before, -1));",
  ),
];
