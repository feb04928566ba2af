/** The program that is killed: its workers append and say what was acknowledged. Names differ from life to life. */
import { writeSync } from "node:fs";
import process from "node:process";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { openLog } from "../../mod.ts";
import { BACKPRESSURE, connectProducer } from "../../producer.ts";

if (isMainThread) {
  const log = await openLog(process.argv[2], { topic: "log", flushIntervalMs: 1, flushBytes: 65_536 });
  const life = log.shard(0).nextOffset;
  for (const name of [`a${life}`, `b${life}`]) {
    const worker = new Worker(new URL(import.meta.url), { workerData: { name, handle: log.producer() } });
    // One writer, so that lines stay whole.
    worker.on("message", (line: string) => writeSync(1, line));
  }
} else {
  const producer = connectProducer(workerData.handle);
  for (let i = 0;; i++) {
    let ticket;
    while ((ticket = producer.tryAppend({ value: `${workerData.name}:${i}` })) === BACKPRESSURE) {
      await producer.writable();
    }
    if (i % 500 === 499) {
      await producer.acknowledged(ticket as number);
      parentPort!.postMessage(`${workerData.name} ${i}\n`);
    }
  }
}
