/**
 * A worker of the figure of producers: for each handle it gets, it connects, and appends when it is told to.
 *
 * @module
 */
import { parentPort } from "node:worker_threads";
import { BACKPRESSURE, connectProducer, type Producer, type ProducerHandle } from "../producer.ts";
import { makeValue } from "./figure.ts";

/** What the worker is told. */
export type Order = { readonly handle: ProducerHandle } | { readonly messages: number };

const record = { value: makeValue() };
let producer: Producer | undefined;

async function append(messages: number): Promise<void> {
  for (let i = 0; i < messages; i++) {
    while (producer!.tryAppend(record) === BACKPRESSURE) await producer!.writable();
  }
  await producer!.flush("os");
}

parentPort!.on("message", async (order: Order) => {
  if ("handle" in order) {
    producer = connectProducer(order.handle);
    parentPort!.postMessage("connected");
  } else {
    await append(order.messages);
    parentPort!.postMessage("done");
    // Closing is no part of the work that is measured.
    await producer!.close();
    parentPort!.postMessage("closed");
  }
});
