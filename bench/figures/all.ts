/**
 * Every figure there is.
 *
 * @module
 */
import type { Figure } from "../figure.ts";
import { append } from "./append.ts";
import { appendBatch } from "./append_batch.ts";
import { randomRead, randomReadAgain } from "./random_read.ts";
import { readBack } from "./read_back.ts";
import { readCursor } from "./read_cursor.ts";
import { syncedAppend } from "./synced_append.ts";

export const figures: readonly Figure[] = [
  append,
  appendBatch,
  syncedAppend,
  readBack,
  readCursor,
  randomRead,
  randomReadAgain,
];
