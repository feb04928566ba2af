/** A worker of the tests: consumes, and says what it got. */
import { parentPort, workerData } from "node:worker_threads";
import { connectConsumer, type ConsumerHandle, LogError } from "../../consumer.ts";
import { deliveries, type Said, type Task } from "./workers.ts";

const { handle, task, delivered, gate } = workerData as {
  handle: ConsumerHandle;
  task: Task;
  delivered: SharedArrayBuffer;
  /** Not 0: nothing hangs any more. */
  gate: Int32Array<SharedArrayBuffer>;
};
const got = deliveries(delivered);
const say = (said: Said): void => parentPort!.postMessage(said);
// It stays until it is ended: what a thread has posted that is over may never arrive.
parentPort!.on("message", () => {});

try {
  const consumer = connectConsumer(handle, { follow: task.follow ?? true });
  let count = 0;
  for await (const record of consumer) {
    got.add(record);
    if (++count === task.hangAfter) {
      say({ is: "hanging" });
      Atomics.wait(gate, 0, 0, task.hangMs);
    }
    try {
      await consumer.commit(record);
    } catch (error) {
      if (!(error instanceof LogError)) throw error;
      say({ is: "refused", code: error.code, shard: record.shard, offset: record.offset });
    }
    if (task.pauseMs !== undefined) await new Promise((resolve) => setTimeout(resolve, task.pauseMs));
  }
  await consumer.close();
  say({ is: "done" });
} catch (error) {
  say({ is: "failed", code: error instanceof LogError ? error.code : String(error) });
}
