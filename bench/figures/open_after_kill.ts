/**
 * How long opening takes after the writer was killed.
 *
 * @module
 */
import { readdirSync, rmSync } from "node:fs";
import { openLog, type OpenOptions } from "../../mod.ts";
import { Child } from "../child.ts";
import { type Measurement, type Setting, VALUE_BYTES, type ValueFigure } from "../figure.ts";

const FRESH = "one segment, in a fresh process";
const WARM = "one segment, in a process that has opened logs before";
const FRESH_BESIDE = "with the sealed segments beside it, in a fresh process";
const WARM_BESIDE = "with the sealed segments beside it, in a process that has opened logs before";

const SEALED_SEGMENTS = 500;
const SEALED_BYTES = 256 * 1024;
const ACTIVE: OpenOptions = { topic: "log", segmentBytes: 2 ** 31 - 1 };

export const openAfterKill: ValueFigure = {
  name: "open_after_kill",
  isOfPackage: true,
  title:
    "openLog after SIGKILL of the writer, one shard, 1 GiB in the active segment; and with 500 sealed segments beside it",
  how:
    "A child process opens the log, appends a record, flushes and is killed; the next one to open it takes the time of openLog, " +
    "in turn a fresh process and this one. Same boot and mount; before, the file was written and killed too, nothing is copied",
  messages: 9_900_000,
  tinyMessages: 2000,
  values: [
    { name: FRESH, unit: "ms", atMost: 10 },
    { name: WARM, unit: "ms", atMost: 10 },
    { name: FRESH_BESIDE, unit: "ms", atMost: 30 },
    { name: WARM_BESIDE, unit: "ms", atMost: 30 },
  ],
  measure,
};

/** What a killed writer said. */
interface Killed {
  readonly openMs: number;
  readonly nextOffset: number;
}

async function writeAndKill(path: string, messages: number, options: OpenOptions): Promise<Killed> {
  const child = new Child("./writer_child.ts", [path, String(messages), JSON.stringify(options)]);
  try {
    const [openMs, nextOffset] = (await child.line()).split(" ").map(Number);
    return { openMs, nextOffset };
  } finally {
    await child.kill();
  }
}

async function measure({ directory, messages }: Setting): Promise<Measurement> {
  const one = `${directory}/one`;
  const beside = `${directory}/beside`;
  const sealed = messages >= 1_000_000 ? SEALED_SEGMENTS : 3;
  await writeAndKill(one, messages, ACTIVE);
  // Framing makes it a little more than asked for, never less.
  const early = Math.ceil(SEALED_BYTES * (sealed + 1) / VALUE_BYTES);
  await writeAndKill(beside, early, { ...ACTIVE, segmentBytes: SEALED_BYTES });
  await writeAndKill(beside, messages, ACTIVE);
  const segments = readdirSync(`${beside}/log-0`).filter((name) => name.endsWith(".log")).length;
  if (segments <= sealed) throw new Error(`${segments} segments instead of more than ${sealed}`);
  // Not closed by this process since its last kill.
  const asKilled = new Set([one, beside]);
  return {
    async run() {
      const [fresh, warm] = await openings(one, asKilled);
      const [freshBeside, warmBeside] = await openings(beside, asKilled);
      return { [FRESH]: fresh, [WARM]: warm, [FRESH_BESIDE]: freshBeside, [WARM_BESIDE]: warmBeside };
    },
    close() {
      for (const path of [one, beside]) rmSync(path, { recursive: true });
      return Promise.resolve();
    },
  };
}

/** Milliseconds of openLog in a fresh process and in this one. */
async function openings(path: string, asKilled: Set<string>): Promise<[fresh: number, warm: number]> {
  // Where this process has closed the log, only after one more kill there is something to measure.
  if (!asKilled.delete(path)) await writeAndKill(path, 1, ACTIVE);
  const { openMs, nextOffset } = await writeAndKill(path, 1, ACTIVE);
  const started = performance.now();
  const log = await openLog(path, ACTIVE);
  const warmMs = performance.now() - started;
  const found = log.shard(0).nextOffset;
  await log.close();
  if (found !== nextOffset) throw new Error(`the log ended at ${found} after the kill, not at ${nextOffset}`);
  return [openMs, warmMs];
}
