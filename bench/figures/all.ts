/**
 * Every figure there is.
 *
 * @module
 */
import type { Figure } from "../figure.ts";
import { append } from "./append.ts";
import { appendBatch } from "./append_batch.ts";
import { readBack } from "./read_back.ts";
import { syncedAppend } from "./synced_append.ts";

export const figures: readonly Figure[] = [append, appendBatch, syncedAppend, readBack];
