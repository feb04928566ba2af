/** A web worker of the tests: appends what it is told. */
import { BACKPRESSURE, connectProducer, type ProducerHandle } from "../../producer.ts";

interface Scope {
  onmessage: (event: { data: { handle: ProducerHandle; count: number } }) => void;
  postMessage(message: unknown): void;
}

const scope = globalThis as unknown as Scope;
scope.onmessage = async ({ data: { handle, count } }) => {
  await using producer = connectProducer(handle);
  for (let i = 0; i < count; i++) {
    while (producer.tryAppend({ value: `web:${i}` }) === BACKPRESSURE) await producer.writable();
  }
  await producer.flush();
  scope.postMessage(await producer.acknowledged(count - 1));
};
