/**
 * Appends records whose values are their offsets, under retention, trims the shard and a user, and says what is acknowledged: `written`,
 * `trimmed` and `user`, each with an offset. Ends after so many records, or when it is killed.
 */
import process from "node:process";
import { openLog } from "../../mod.ts";

const { directory, records } = JSON.parse(process.argv[2]) as { directory: string; records: number };
const log = await openLog(directory, {
  topic: "log",
  segmentBytes: 2048,
  flushIntervalMs: Infinity,
  retention: { maxRecords: 150 },
});
const shard = log.shard(0);
const lines = await log.idempotentProducer("lines");
console.log("open");
const end = shard.nextOffset + records;
while (shard.nextOffset < end) {
  for (let n = 0; n < 5; n++) shard.tryAppend({ key: "alice", value: `${shard.nextOffset}`.padEnd(60) });
  if (shard.nextOffset % 3 === 0) lines.tryAppend([{ key: "bob", value: `${shard.nextOffset}`.padEnd(60) }]);
  const written = await shard.flush();
  console.log(`written ${written}`);
  if (written > 40 && written % 7 === 0) console.log(`trimmed ${await shard.trimBefore(written - 40)}`);
  if (written > 40 && written % 4 === 0) {
    await log.trimUser("alice", written - 20);
    console.log(`user ${written - 20}`);
  }
  await new Promise((resolve) => setTimeout(resolve, 1));
}
await log.close();
console.log("closed");
