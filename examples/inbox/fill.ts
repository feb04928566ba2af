/**
 * Fills the inboxes: many people, few of them with many messages, as it is everywhere.
 *
 *     node examples/inbox/fill.ts [DIRECTORY] [--users N] [--messages N]
 *
 * A million inboxes and 5 million messages unless you say otherwise. Then start the server on the same directory: ?user=user-1 has the
 * most messages, ?user=user-999999 hardly any.
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { BACKPRESSURE, openLog } from "../../mod.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { users: { type: "string", default: "1000000" }, messages: { type: "string", default: "5000000" } },
});
const users = Number(values.users);
const messages = Number(values.messages);
const log = await openLog(`${positionals[0] ?? "data/inbox-example"}/messages`, { shards: 4 });
const started = performance.now();
for (let n = 1; n <= messages; n++) {
  // Zipf's law, nearly: the second has half as many messages as the first, the third a third.
  const key = `user-${Math.min(users, Math.floor(users ** Math.random()))}`;
  const record = { key, value: `message ${n}`, headers: { from: `user-${1 + n % users}` } };
  const shard = log.shardFor(key);
  while (shard.tryAppend(record) === BACKPRESSURE) await shard.writable();
  if (n % 100_000 === 0 && process.stderr.isTTY) process.stderr.write(`\r${(100 * n / messages).toFixed()} %`);
}
await log.close();
const seconds = (performance.now() - started) / 1000;
console.log(`${messages} messages to ${users} inboxes in ${seconds.toFixed(1)} s`);
