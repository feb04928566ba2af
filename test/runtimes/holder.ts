/** Opens a log and holds it until its standard input ends; appends what is asked for before. */
import process from "node:process";
import { createInterface } from "node:readline";
import { openLog } from "../../mod.ts";

const { directory, append = 0 } = JSON.parse(process.argv[2]) as { directory: string; append?: number };

const log = await openLog(directory);
for (let i = 0; i < append; i++) await log.append({ value: `${i}` });
console.log(`open ${process.pid}`);
for await (const line of createInterface({ input: process.stdin })) {
  const { shard, offset } = await log.append({ value: line });
  console.log(`appended ${shard} ${offset}`);
}
await log.close();
