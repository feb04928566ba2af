/**
 * `tryAppend` for so long that the page cache cannot take it: past the limit of dirty pages the disk sets the pace.
 *
 * @module
 */
import { rmSync } from "node:fs";
import { runtimeVfs } from "../../adapters/runtime.ts";
import { type DirectIo, openLog } from "../../mod.ts";
import { writeBlocks } from "../direct_writer.ts";
import { FRAMING_BYTES, makeValue, type PairFigure, type Setting, type Sides, timed, VALUE_BYTES } from "../figure.ts";
import { appendRepeatedly } from "../log_side.ts";

const UNTIL_SYNCED = "ratio until everything is synced, on both sides";

export const sustained: PairFigure = figureOf("sustained", "auto");
export const sustainedDirect: PairFigure = figureOf("sustained_direct", true);

function figureOf(name: string, directIo: DirectIo): PairFigure {
  return {
    name,
    title: `tryAppend of 100-byte values, one shard, rung os, over 10 GB, directIo ${directIo}`,
    floor: "direct 1 MiB writes of the same number of bytes from page-aligned memory, two in flight",
    goal: 0.85,
    messages: 100_000_000,
    isOnlyNamed: true,
    values: [{ name: UNTIL_SYNCED, unit: "" }],
    prepare: (setting) => Promise.resolve(sides(setting, directIo)),
  };
}

function sides({ directory, messages }: Setting, directIo: DirectIo): Sides {
  const record = { value: makeValue() };
  const vfs = runtimeVfs();
  const tenth = Math.ceil(messages / 10);
  let oursSynced = 0;
  let floorSynced = 0;
  return {
    ours: {
      async run() {
        const path = `${directory}/log`;
        const log = await openLog(path, { directIo });
        const shard = log.shard(0);
        const started = performance.now();
        const seconds = await timed(async () => {
          for (let i = 0; i < messages; i += tenth) {
            await appendRepeatedly(shard, record, Math.min(tenth, messages - i));
            tell("the log", i + tenth, messages, started);
          }
          await shard.flush("os");
        });
        // Dirty pages left behind would be written at the cost of the other side.
        oursSynced = seconds + await timed(async () => void await shard.flush("disk"));
        await log.close();
        rmSync(path, { recursive: true });
        return seconds;
      },
    },
    floor: {
      async run() {
        const bytes = messages * (VALUE_BYTES + FRAMING_BYTES);
        const started = performance.now();
        let written = 0;
        floorSynced = await writeBlocks({
          vfs,
          path: `${directory}/floor`,
          bytes,
          isDirect: true,
          depth: 2,
          sync: "end",
          onProgress: (done) => tell("the floor", Math.round(done / (VALUE_BYTES + FRAMING_BYTES)), messages, started),
          onWritten: (seconds) => written = seconds,
        });
        return written;
      },
    },
    readings: () => Promise.resolve({ [UNTIL_SYNCED]: floorSynced / oursSynced }),
    close: () => Promise.resolve(),
  };
}

function tell(who: string, done: number, all: number, started: number): void {
  if (done > all || all < 1_000_000) return;
  const perSecond = done / (performance.now() - started) / 1000;
  console.error(`    ${who}: ${(done / 1e6).toFixed(1)} of ${(all / 1e6).toFixed(1)} M, ${perSecond.toFixed(1)} M/s`);
}
