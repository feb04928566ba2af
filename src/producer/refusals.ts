/**
 * Why a producer in a worker refuses.
 *
 * @module
 */
import { LogError } from "../errors.ts";

/** Whether a batch with a producer id was written before is known on the log's own thread only. */
export function producedError(shard: number): LogError {
  return new LogError(
    "UNSUPPORTED",
    `Cannot append a batch with a producer id to shard ${shard} from a worker: post the blob to the log's own thread, and give it to ` +
      "tryAppendBatch there",
    { shard },
  );
}
