/**
 * The program that the fault tests start, stop and kill. It does what the lines of its standard input say, one JSON object
 * each, and tells on standard output what happened: at once and unbuffered, since it may be gone a moment later.
 *
 *     ready PID                         it listens
 *     open LIFE NEXT… VERDICT…          a log was opened: next offset and verdict of each shard
 *     ack SHARD END os|disk             everything before END is acknowledged on that rung
 *     lost SHARD CODE                   an acknowledgement was refused
 *     poisoned SHARD CODE WRITTEN SYNCED MESSAGE    onError was called, and where the shard stood then
 *     refused SHARD ACTION CODE         what a poisoned shard answers
 *     failed CODE MESSAGE               an opening or a closing failed
 *     held OFFSET · after MS            it holds the log, or how long it took to be refused
 *     following · saw SHARD OFFSET LIFE SEQUENCE COUNT · reported
 *     wrong WHAT                        something that must never happen
 *     closed LIFE · done
 */
import process from "node:process";
import { createInterface } from "node:readline";
import { follow, type FollowRequest, report } from "./writer/follow.ts";
import { hold, type HoldRequest } from "./writer/hold.ts";
import { say, sayFailure } from "./writer/say.ts";
import { write, type WriteRequest } from "./writer/write.ts";

/** What the program can be asked to do. */
export type Request = WriteRequest | FollowRequest | HoldRequest | { readonly do: "report" };

async function answer(request: Request): Promise<void> {
  if (request.do === "write") await write(request);
  else if (request.do === "follow") await follow(request);
  else if (request.do === "hold") await hold(request);
  else report();
}

say(`ready ${process.pid}`);
for await (const line of createInterface({ input: process.stdin })) {
  // Not awaited: it listens on while it works.
  answer(JSON.parse(line) as Request).catch(sayFailure);
}
// Nobody is there any more to ask for something.
process.exit(0);
