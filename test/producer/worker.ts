/** A worker of the tests: does its task and says how it went. */
import { parentPort, workerData } from "node:worker_threads";
import { BACKPRESSURE, connectProducer, LogError, type ProducerHandle } from "../../producer.ts";
import { Bell } from "../../src/claims/bell.ts";
import { ClaimBlock } from "../../src/claims/claim_block.ts";
import { contentOf } from "../../src/claims/handle.ts";
import { CONNECTED, NEW, ProducerMemory } from "../../src/claims/producer_memory.ts";
import type { Said, Task } from "./threads.ts";

const { handle, task } = workerData as { handle: ProducerHandle; task: Task };
const say = (said: Said): void => parentPort!.postMessage(said);
const never = new Int32Array(new SharedArrayBuffer(4));
const sleep = (ms?: number): unknown => Atomics.wait(never, 0, 0, ms);

async function append(name: string, count: number, bytes = 0, keys = 0): Promise<void> {
  const producer = connectProducer(handle);
  const tickets: number[] = [];
  let refusals = 0;
  for (let i = 0; i < count; i++) {
    const value = `${name}:${i}`.padEnd(bytes, ".");
    const record = keys > 0 ? { key: `user ${i % keys}`, value } : { value };
    for (;;) {
      const ticket = producer.tryAppend(record);
      if (ticket !== BACKPRESSURE) {
        tickets.push(ticket);
        break;
      }
      refusals++;
      await producer.writable();
    }
    if (i % 1000 === 999) await Promise.resolve();
  }
  await producer.flush();
  const wanted = [0, 1, count >> 1, count - 1].filter((i) => i < count);
  const places = await Promise.all(wanted.map((i) => producer.acknowledged(tickets[i])));
  await producer.close();
  say({ is: "done", places, refusals, taken: count });
}

function claimAndHang(offsets: number, shard: number): void {
  const content = contentOf(handle);
  new ProducerMemory(content).moveState(NEW, CONNECTED);
  const claims = new ClaimBlock(content.shards.find(({ id }) => id === shard)!.block);
  claims.claim(offsets);
  say({ is: "ready" });
  sleep();
}

function publishGarbage(offsets: number): void {
  const content = contentOf(handle);
  const memory = new ProducerMemory(content);
  memory.moveState(NEW, CONNECTED);
  const claims = new ClaimBlock(content.shards[0].block);
  const slab = memory.take();
  const bytes = memory.slab(slab);
  for (let i = 0; i < 1000; i++) bytes[i] = (i * 37) & 0xff;
  memory.describe(slab, 1000, offsets, false);
  const head = claims.head;
  const isPublished = claims.publish(claims.slotOf(claims.claim(offsets), head), content.id, slab);
  new Bell(content.bell).ring();
  say({ is: isPublished ? "done" : "failed" });
}

async function appendUntilRefused(name: string): Promise<void> {
  const producer = connectProducer(handle);
  let taken = 0;
  let acknowledged = 0;
  try {
    for (;;) {
      const ticket = producer.tryAppend({ value: `${name}:${taken}` });
      if (ticket === BACKPRESSURE) await producer.writable();
      else taken++;
      if (taken === 100) say({ is: "ready" });
      if (taken % 500 === 0) {
        const place = await producer.acknowledged(ticket as number);
        acknowledged = place.offset + 1;
      }
    }
  } catch (error) {
    const code = error instanceof LogError ? error.code : String(error);
    const flushed = await producer.flush().then(() => "all", (failure: LogError) => failure.code);
    say({ is: "failed", code, flushed, taken, acknowledged });
  }
}

switch (task.kind) {
  case "append":
    await append(task.name, task.count, task.bytes, task.keys);
    break;
  case "hang":
    claimAndHang(task.offsets, task.shard);
    break;
  case "stall": {
    const publish = ClaimBlock.prototype.publish;
    ClaimBlock.prototype.publish = function (slot: number, producer: number, slab: number): boolean {
      ClaimBlock.prototype.publish = publish;
      say({ is: "ready" });
      sleep(task.sleepMs);
      return publish.call(this, slot, producer, slab);
    };
    await append(task.name, task.count);
    break;
  }
  case "garbage":
    publishGarbage(task.offsets);
    break;
  case "endless":
    await appendUntilRefused(task.name);
}
