/** A process that consumes and is killed: notes each record before it goes on. Arguments: directory, file of notes, "follow" or not. */
import { closeSync, openSync, writeSync } from "node:fs";
import process from "node:process";
import { openLog } from "../../mod.ts";

const [directory, notes, how] = process.argv.slice(2);
const file = openSync(notes, "a");
const log = await openLog(directory, { readOnly: true });
const consumer = log.consumer("killed", { follow: how === "follow" });
let count = 0;
for await (const record of consumer) {
  writeSync(file, `${record.shard}/${record.offset}\n`);
  // Sometimes nothing waits for the commit, as in a program that goes on meanwhile.
  if (++count % 3 === 0) await consumer.commit();
  else if (count % 7 === 0) void consumer.commit(record);
}
await consumer.commit();
await log.close();
closeSync(file);
