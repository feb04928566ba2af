/** Imports numbered lines under a name until it is killed, beside records of others; then another process goes on where it was. */
import process from "node:process";
import { openKafkaLog } from "../../kafka.ts";
import { LogError, openLog, type OpenOptions } from "../../mod.ts";

const { directory, brokers, options, name, count } = JSON.parse(process.argv[2]) as {
  directory: string;
  /** The log is a topic there. */
  brokers?: string;
  options: OpenOptions;
  name: string;
  count: number;
};

const log = brokers === undefined
  ? await openLog(directory, options)
  : await openKafkaLog({ brokers, topic: options.topic! });
const producer = await log.idempotentProducer(name);
console.log(`open ${producer.nextSequence}`);
const pending = new Set<Promise<unknown>>();
for (let n = producer.nextSequence; n < count;) {
  const size = 1 + n % 4;
  const lines = Array.from({ length: Math.min(size, count - n) }, (_, i) => ({ value: `${name}:${n + i}` }));
  const done = producer.append(lines, { sequence: n, durability: n % 50 === 0 ? "disk" : "os" });
  pending.add(done);
  void done.then(() => pending.delete(done));
  // An impatient client: it did not hear of the last call yet, and makes it again.
  if (n % 7 === 0) void producer.append(lines, { sequence: n });
  n += lines.length;
  if (n % 11 === 0) log.shard(0).tryAppend({ value: "other" });
  if (pending.size >= 20) await Promise.race(pending);
}
await Promise.all(pending);
try {
  await producer.append({ value: "gap" }, { sequence: count + 1 });
} catch (error) {
  if (!(error instanceof LogError) || error.expected !== count) throw error;
}
await log.close();
console.log(`done ${producer.nextSequence}`);
