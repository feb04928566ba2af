/**
 * Every figure there is.
 *
 * @module
 */
import type { Figure } from "../figure.ts";
import { append } from "./append.ts";
import { appendBatch } from "./append_batch.ts";
import { appendKeyed } from "./append_keyed.ts";
import { directIo, directIoSustained } from "./direct_io.ts";
import { latency } from "./latency.ts";
import { load64 } from "./load_64.ts";
import { memory } from "./memory.ts";
import { openAfterKill } from "./open_after_kill.ts";
import { producers, producersGzip } from "./producers.ts";
import { randomRead, randomReadAgain } from "./random_read.ts";
import { readBack } from "./read_back.ts";
import { readCursor } from "./read_cursor.ts";
import { shards64 } from "./shards_64.ts";
import { sustained, sustainedDirect } from "./sustained.ts";
import { syncedAppend } from "./synced_append.ts";
import { users } from "./users.ts";
import { writeAmplification } from "./write_amplification.ts";

export const figures: readonly Figure[] = [
  append,
  appendBatch,
  syncedAppend,
  appendKeyed,
  shards64,
  producers,
  producersGzip,
  sustained,
  sustainedDirect,
  directIo,
  directIoSustained,
  readBack,
  readCursor,
  randomRead,
  randomReadAgain,
  openAfterKill,
  load64,
  latency,
  memory,
  users,
  writeAmplification,
];
