/** Follows a log that another process writes, and remembers what it saw. */
import { type Log, openLog } from "../../../mod.ts";
import { placeOf } from "../payload.ts";
import { say, sayFailure } from "./say.ts";

/** Reads everything and goes on with what comes, whoever writes it. */
export interface FollowRequest {
  readonly do: "follow";
  readonly directory: string;
}

/** Consecutive records of one life. */
interface Run {
  readonly shard: number;
  readonly offset: number;
  readonly life: number;
  readonly sequence: number;
  count: number;
}

let runs: Run[] = [];

/** Follows every shard until the process ends. */
export async function follow({ directory }: FollowRequest): Promise<void> {
  const log = await openLog(directory, { readOnly: true });
  for (const shard of log.shards) followShard(log, shard.id).catch(sayFailure);
  say("following");
}

async function followShard(log: Log, shard: number): Promise<void> {
  let run: Run | undefined;
  for await (const record of log.read({ shard, from: "earliest", follow: true })) {
    const place = placeOf(record.value);
    if (place === undefined || place.shard !== shard) {
      return say(
        `wrong a follower saw ${record.value?.length} foreign bytes at offset ${record.offset} of shard ${shard}`,
      );
    }
    const { life, sequence } = place;
    if (
      run !== undefined && runs.includes(run) && life === run.life && record.offset === run.offset + run.count &&
      sequence === run.sequence + run.count
    ) run.count++;
    else runs.push(run = { shard, offset: record.offset, life, sequence, count: 1 });
  }
}

/** Says what was seen since the last report. */
export function report(): void {
  const seen = runs;
  runs = [];
  for (const { shard, offset, life, sequence, count } of seen) {
    say(`saw ${shard} ${offset} ${life} ${sequence} ${count}`);
  }
  say("reported");
}
