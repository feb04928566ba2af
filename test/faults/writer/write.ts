/** Lives of a writing program, one after the other: opens, appends in every way there is, closes. */
import { SeededRandom } from "../../../adapters/memory/random.ts";
import { type Log, type LogError, openLog, type OpenOptions } from "../../../mod.ts";
import { Appender } from "./appender.ts";
import { say, sayFailure } from "./say.ts";

/** Writes until it is killed, or a number of lives. */
export interface WriteRequest {
  readonly do: "write";
  readonly directory: string;
  readonly shards: number;
  /** Number of the first life; the next ones follow. */
  readonly life: number;
  readonly seed: number;
  /** How many lives; as many as it can where it is not given. */
  readonly lives?: number;
  /** Appends of a life; a random number where it is not given. */
  readonly steps?: number;
  /** How much of it is asked for on `disk`, from 0 to 1. */
  readonly disk?: number;
  /** So many appends at the beginning of a life ask for `os`, whatever `disk` says. */
  readonly osSteps?: number;
  /** Instead of random ones. */
  readonly options?: OpenOptions;
}

/** See {@linkcode WriteRequest}. */
export async function write(request: WriteRequest): Promise<void> {
  const random = new SeededRandom(request.seed);
  const { life, lives = Infinity } = request;
  for (let i = 0; i < lives; i++) {
    const options = { ...randomOptions(random), ...request.options };
    if (!await oneLife(request, life + i, random, options)) break;
  }
  say("done");
}

/** Limits so small that rolls, seals and waiting for room all happen within milliseconds. */
function randomOptions(random: SeededRandom): OpenOptions {
  return {
    durability: random.chance(0.2) ? "disk" : "os",
    flushIntervalMs: random.pick([0, 0, 1, 5, 20]),
    stride: random.pick([4, 100, 16_384]),
    flushBytes: random.pick([2000, 100_000, 1_048_576]),
    batchBytes: random.pick([300, 4096, 65_536]),
    maxBufferPerShard: random.pick([200_000, 8_388_608]),
    segmentBytes: random.pick([2048, 20_000, 300_000]),
    directIo: random.pick([true, "auto"]),
    maxUnsyncedBytes: random.pick([65_536, 268_435_456]),
  };
}

/** Answers whether the log could be opened and closed. */
async function oneLife(
  request: WriteRequest,
  life: number,
  random: SeededRandom,
  options: OpenOptions,
): Promise<boolean> {
  const poisoned = new Set<number>();
  let log: Log;
  const onError = (error: LogError): void => {
    const { id, written, synced } = log.shard(error.shard!);
    poisoned.add(id);
    say(`poisoned ${id} ${error.code} ${written} ${synced} ${error.message}`);
  };
  try {
    log = await openLog(request.directory, { ...options, shards: request.shards, onError });
  } catch (error) {
    sayFailure(error);
    return false;
  }
  say(
    `open ${life} ${log.shards.map((shard) => shard.nextOffset).join(" ")} ${
      log.recovery.map((report) => report.verdict).join(" ")
    }`,
  );
  const { disk = 0.15, osSteps = 0 } = request;
  const appender = new Appender(log, life, random, options.durability ?? "os");
  const steps = request.steps ?? 5 + random.below(400);
  for (let step = 0; step < steps && poisoned.size < log.shards.length; step++) {
    await appender.step(step < osSteps ? 0 : disk);
  }
  await appender.settled();
  for (const shard of poisoned) await tryPoisoned(log, shard);
  try {
    await log.close();
  } catch (error) {
    sayFailure(error);
    return false;
  }
  say(`closed ${life}`);
  return true;
}

/** Every way to use a shard that gave up. */
async function tryPoisoned(log: Log, id: number): Promise<void> {
  const shard = log.shard(id);
  const attempts = {
    tryAppend: () => shard.tryAppend({ value: "too late" }),
    flush: () => shard.flush(),
    sync: () => shard.flush("disk"),
    writable: () => shard.writable(),
  };
  for (const [action, attempt] of Object.entries(attempts)) {
    try {
      await attempt();
      say(`refused ${id} ${action} NOT AT ALL`);
    } catch (error) {
      say(`refused ${id} ${action} ${(error as { code?: string }).code}`);
    }
  }
}
