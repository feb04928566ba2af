import { asyncAppendOnlyLog } from "./async_append_only_log.ts";
import { betterSqlite3 } from "./better_sqlite3.ts";
import { classicLevel } from "./classic_level.ts";
import { lmdb } from "./lmdb.ts";
import type { Peer } from "./peer.ts";
import { sonicBoom } from "./sonic_boom.ts";

/** Every peer. */
export const peers: readonly Peer[] = [lmdb, betterSqlite3, classicLevel, sonicBoom, asyncAppendOnlyLog];
