/**
 * Names of consumers, and of their files.
 *
 * @module
 */
import { crc32c } from "../batch/crc32c.ts";
import { hex32 } from "../batch/format.ts";

const NAME = /^[a-zA-Z0-9._-]{1,249}$/;
/** So much of the name stands in the file's: the rest is told apart by the checksum, and in the end by the content. */
const SHOWN = 100;
const FILE = /^cursor-[a-z0-9._-]{1,100}-[0-9a-f]{8}$/;

/**
 * Throws unless `name` can be that of a consumer: the same set as Kafka's topics.
 *
 * @throws {TypeError} where it is no string.
 * @throws {RangeError} where it has other characters or another length.
 */
export function checkName(name: string): void {
  if (typeof name !== "string") {
    throw new TypeError(`Cannot use a consumer: its name must be a string, not a ${typeof name}`);
  }
  if (!NAME.test(name) || name === "." || name === "..") {
    throw new RangeError(
      `Cannot use a consumer: its name must be 1–249 characters of a-z A-Z 0-9 . _ -, and not . or .., not ${
        JSON.stringify(name.slice(0, 60))
      }`,
    );
  }
}

/**
 * The file of a consumer. Small letters only, since some file systems do not tell them from capitals; the checksum of the name as it
 * is tells twins apart.
 */
export function cursorFileName(name: string): string {
  return `cursor-${name.toLowerCase().slice(0, SHOWN)}-${hex32(crc32c(new TextEncoder().encode(name)))}`;
}

/** True for the name of a consumer's file. */
export function isCursorFile(name: string): boolean {
  return FILE.test(name);
}
