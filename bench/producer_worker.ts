/**
 * A worker of the figure of producers: for each handle it gets, it connects, and appends when it is told to.
 *
 * @module
 */
import { parentPort } from "node:worker_threads";
import { BatchBuilder } from "../mod.ts";
import { BACKPRESSURE, connectProducer, type Producer, type ProducerHandle } from "../producer.ts";
import { makeRecords } from "./figure.ts";
import { appendInTurn } from "./log_side.ts";

/** What the worker is told. `isPacked`: it makes batches itself, and compresses them. */
export type Order = { readonly handle: ProducerHandle } | { readonly messages: number; readonly isPacked: boolean };

const records = makeRecords();
let producer: Producer | undefined;

async function appendPacked(messages: number): Promise<void> {
  const builder = new BatchBuilder({ compression: "gzip" });
  const send = async (): Promise<void> => {
    const batch = builder.finish();
    while (producer!.tryAppendBatch(batch) === BACKPRESSURE) await producer!.writable();
  };
  for (let i = 0; i < messages; i++) {
    while (!builder.add(records[i % records.length])) await send();
  }
  if (builder.count > 0) await send();
}

parentPort!.on("message", async (order: Order) => {
  if ("handle" in order) {
    producer = connectProducer(order.handle);
    parentPort!.postMessage("connected");
  } else {
    await (order.isPacked ? appendPacked(order.messages) : appendInTurn(producer!, records, order.messages));
    await producer!.flush("os");
    parentPort!.postMessage("done");
    // Closing is no part of the work that is measured.
    await producer!.close();
    parentPort!.postMessage("closed");
  }
});
