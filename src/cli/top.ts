/**
 * `bimiplog top`: a live view of a log that another program writes.
 *
 * @module
 */
import process from "node:process";
import { runtimeVfs } from "../../adapters/runtime.ts";
import { openLog } from "../../mod.ts";
import { readManifest } from "../log/manifest.ts";
import { readOwner } from "../log/owner.ts";
import type { Command, Context } from "./command.ts";
import { EXIT_DONE, UsageError } from "./exit_codes.ts";
import { isRunning } from "./processes.ts";
import { type Sample, Sampler } from "./top_sample.ts";
import { compare, plainLine, screenLines, type TopView } from "./top_view.ts";

const HIDE_CURSOR = "\x1b[?25l";
const SHOW_CURSOR = "\x1b[?25h";
const CLEAR_LINE = "\x1b[K";
/** q, Ctrl-C, Ctrl-D. */
const QUIT_KEYS = ["q", "Q", "\u0003", "\u0004"];
const CLEAR_BELOW = "\x1b[J";

const DETAILS = `
Shows how much is appended to each shard, how far it is, what is not synced yet, and how large its files are. It looks
at what the writer publishes, takes no lock, and writes nothing. On a terminal it is drawn in place until q or
SIGINT; elsewhere it prints a line every interval. NO_COLOR turns colors off.

  --interval S    seconds between two looks, from 0.1 (default 1)
  --once          look twice, one interval apart, print one line and end
  --json          one object a line
`;

export const topCommand: Command = {
  name: "top",
  synopsis: "DIR [--interval S] [--once] [--json]",
  summary: "watch a log while it is being written",
  details: DETAILS,
  options: { interval: "value", once: "flag", json: "flag" },
  readsOnly: true,
  run: top,
};

async function top({ args, stdout, interruption }: Context): Promise<number> {
  const directory = args.only("directory");
  const intervalMs = intervalOf(args.value("interval"));
  const once = args.flag("once");
  const isDrawn = process.stdout.isTTY === true && !once && !args.flag("json");
  const vfs = runtimeVfs();
  // Opening it says what is wrong where this is no log.
  const log = await openLog(directory, { readOnly: true, signal: interruption.signal });
  await log.close();
  const { manifest } = await readManifest(vfs, log.directory);
  if (manifest === undefined) throw new UsageError("the log's manifest is damaged; see bimiplog repair");
  const sampler = new Sampler(vfs, log.directory, manifest);
  const stop = new AbortController();
  interruption.signal.addEventListener("abort", () => stop.abort(), { once: true });
  const release = isDrawn ? listenToKeys(() => stop.abort()) : () => {};
  let lines = 0;
  let before: Sample = await sampler.sample();
  try {
    while (await pause(intervalMs, stop.signal)) {
      const now = await sampler.sample();
      const owner = await readOwner(vfs, log.directory);
      const writer = owner === undefined || !isRunning(owner.pid)
        ? "no writer"
        : `process ${owner.pid} (${owner.runtime})`;
      const view = compare({ directory, topic: log.topic, writer }, before, now);
      before = now;
      if (isDrawn) {
        const drawn = screenLines(view, screenOf());
        const back = lines === 0 ? HIDE_CURSOR : `\x1b[${lines}A\r`;
        await stdout.text(`${back}${drawn.map((line) => `${line}${CLEAR_LINE}\n`).join("")}${CLEAR_BELOW}`);
        lines = drawn.length;
      } else await stdout.text(`${args.flag("json") ? jsonLine(view) : plainLine(view)}\n`);
      await stdout.flush();
      if (once) break;
    }
  } finally {
    release();
    if (lines > 0) await stdout.text(SHOW_CURSOR);
  }
  return EXIT_DONE;
}

function jsonLine(view: TopView): string {
  return JSON.stringify({ time: new Date().toISOString(), ...view });
}

function screenOf(): { columns: number; rows: number; hasColor: boolean } {
  const { columns, rows } = process.stdout;
  const { NO_COLOR, TERM } = process.env;
  const hasColor = (NO_COLOR === undefined || NO_COLOR === "") && TERM !== "dumb";
  return { columns: columns || 80, rows: rows || 24, hasColor };
}

function intervalOf(text: string | undefined): number {
  if (text === undefined) return 1000;
  const seconds = Number(text);
  if (/^\d*\.?\d+$/.test(text) && seconds >= 0.1 && seconds <= 3600) return seconds * 1000;
  throw new UsageError(`--interval must be a number from 0.1 to 3600, not ${JSON.stringify(text)}`);
}

/** False where it was told to stop. */
function pause(ms: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve(false);
    const onAbort = (): void => {
      clearTimeout(timer);
      resolve(false);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", onAbort);
      resolve(true);
    }, ms);
    signal.addEventListener("abort", onAbort, { once: true });
  });
}

/** Calls `quit` at q and Ctrl-C, which is no signal while keys are read one by one. Answers what ends it. */
function listenToKeys(quit: () => void): () => void {
  const { stdin } = process;
  if (stdin.isTTY !== true) return () => {};
  const onData = (data: Uint8Array | string): void => {
    if ([...String(data)].some((key) => QUIT_KEYS.includes(key))) quit();
  };
  stdin.setRawMode(true);
  stdin.on("data", onData);
  stdin.resume();
  return () => {
    stdin.removeListener("data", onData);
    stdin.setRawMode(false);
    stdin.pause();
  };
}
