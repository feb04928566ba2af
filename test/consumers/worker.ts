/** A worker of the tests: consumes, and says what it got. */
import { parentPort, workerData } from "node:worker_threads";
import { connectConsumer, type ConsumerHandle, LogError } from "../../consumer.ts";
import { deliveries, type Said, type Task } from "./workers.ts";

const { handle, task, delivered } = workerData as { handle: ConsumerHandle; task: Task; delivered: SharedArrayBuffer };
const got = deliveries(delivered);
const say = (said: Said): void => parentPort!.postMessage(said);
const never = new Int32Array(new SharedArrayBuffer(4));

try {
  const consumer = connectConsumer(handle, { follow: task.follow ?? true });
  let count = 0;
  for await (const record of consumer) {
    got.add(record);
    if (++count === task.hangAfter) {
      say({ is: "hanging" });
      Atomics.wait(never, 0, 0, task.hangMs);
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
