/**
 * Tells the logger what an opening found, and how it writes.
 *
 * @module
 */
import type { WriteMode } from "../shard/known_disk.ts";
import type { Tell } from "../telemetry/logger.ts";
import type { RecoveryReport } from "./opened_shard.ts";

/** One message for each shard. */
export function tellOpening(tell: Tell, directory: string, reports: readonly RecoveryReport[]): void {
  for (const { shard, verdict, cutBytes, keptAside, durationMs } of reports) {
    const fields = { directory, shard, verdict, cutBytes, keptAside, durationMs };
    const kept = keptAside === undefined ? "" : `, kept in ${keptAside}`;
    const cut = cutBytes === 0 ? "" : `; ${cutBytes} bytes behind the last good record were cut off${kept}`;
    if (verdict === "corrupt") {
      tell("error", "corrupt", `shard ${shard} is damaged and open for reading only; see bimiplog verify`, fields);
    } else if (verdict === "loss") tell("error", "loss", `shard ${shard}: records are lost${cut}`, fields);
    else if (cutBytes > 0) tell("info", "recoveryCut", `shard ${shard}: the log was not closed${cut}`, fields);
    else tell("debug", "opened", `shard ${shard} is open`, fields);
  }
}

/** The way of writing has changed. */
export function tellWriteMode(tell: Tell, mode: WriteMode, isRefused: boolean): void {
  const how = mode === "direct" ? "past the page cache" : "through the page cache";
  const why = isRefused ? ": the file system has no direct writes" : "";
  tell("debug", "writeMode", `records are written ${how} from now on${why}`, { mode, isRefused });
}
