/** One mirror, and what it took. Started by `mirror_rate.ts`. */
import process from "node:process";
import { mirrorToKafka } from "../kafka.ts";
import { openLog } from "../mod.ts";

const [directory, brokers, topic] = process.argv.slice(2);
const log = await openLog(directory, { readOnly: true });
const started = performance.now();
const { records } = await mirrorToKafka(log, { brokers, topic });
const rate = records * 1000 / (performance.now() - started);
await log.close();
console.log(JSON.stringify({ rate, megabytes: process.resourceUsage().maxRSS * 1024 / 1e6 }));
