/**
 * Why a log is not opened.
 *
 * @module
 */
import { LogError } from "../errors.ts";

/** A shard directory of an existing log is gone. */
export function missingError(file: string, shard: number): LogError {
  return new LogError(
    "DATA_LOSS",
    `Cannot open shard ${shard}: its directory ${file} is missing; restore it, or open with acceptDataLoss to go on without`,
    { shard, file },
  );
}

/** Writing on a network file system needs consent. */
export function networkError(directory: string, network: string): LogError {
  return new LogError(
    "UNSUPPORTED",
    `Cannot write the log in ${directory}: it lies on a network file system (${network}), which may lose locks and synced data; ` +
      "choose a local disk, open with readOnly, or insist with allowNetworkFileSystem",
    { file: directory },
  );
}
