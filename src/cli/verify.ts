/**
 * `bimiplog verify`: checks everything a log holds.
 *
 * @module
 */
import { runtimeCodecs } from "../../adapters/codecs.ts";
import { runtimeVfs } from "../../adapters/runtime.ts";
import { systemClock } from "../../adapters/system.ts";
import type { Damage, Note, Observer, Totals } from "../verify/finding.ts";
import { verifyLog } from "../verify/verify_log.ts";
import type { Command, Context } from "./command.ts";
import { EXIT_CORRUPT, EXIT_DONE } from "./exit_codes.ts";
import { Progress } from "./progress.ts";

const DETAILS = `
Reads every byte of every segment: checksums, the order of offsets and epochs, each record, each index row, both
copies of the manifest, both slots of each anchor and state, both copies of each consumer's offsets. One line for each damage, with shard, file, position and
offsets; a summary is the last line. Exit code 3 where there is damage. Works beside a writer, up to what it has
published; a tail that a crash has torn is noted, and is no damage.

  --json    one object a line: {"damage":…}, {"note":…}, and at last {"summary":…}
`;

export const verifyCommand: Command = {
  name: "verify",
  synopsis: "DIR [--json]",
  summary: "check every byte of a log",
  details: DETAILS,
  options: { json: "flag" },
  readsOnly: true,
  run: verify,
};

async function verify({ args, stdout, interruption, streams }: Context): Promise<number> {
  const directory = trimmed(args.only("directory"));
  const json = args.flag("json");
  const progress = new Progress(streams.stderr);
  let damages = 0;
  // What is found is kept until it can be awaited that it is printed: an observer cannot wait.
  let found: string[] = [];
  const observer: Observer = {
    damage: (damage) => {
      damages++;
      found.push(json ? JSON.stringify({ damage }) : damageLine(damage));
    },
    note: (note) => void found.push(json ? JSON.stringify({ note }) : noteLine(note)),
    progress: (done, total) => progress.show(`verified ${megabytes(done)} of ${megabytes(total)} MB`, done / total),
  };
  const print = async (): Promise<void> => {
    const lines = found;
    found = [];
    for (const line of lines) await stdout.text(`${line}\n`);
  };
  const tools = { vfs: runtimeVfs(), clock: systemClock, codecs: runtimeCodecs };
  let totals: Totals;
  try {
    totals = await verifyLog(tools, directory, observer, interruption.signal);
  } finally {
    progress.clear();
    await print();
  }
  await stdout.text(
    json ? `${JSON.stringify({ summary: { ...totals, damages } })}\n` : `${summaryLine(totals, damages)}\n`,
  );
  return damages > 0 ? EXIT_CORRUPT : EXIT_DONE;
}

/** Without the slashes at its end, so that the paths of findings read well. */
function trimmed(directory: string): string {
  return directory.replace(/(?<=.)\/+$/, "");
}

function damageLine({ shard, file, position, range, what }: Damage): string {
  const offsets = range === undefined ? "" : `, offsets ${range[0]} to ${range[1]}`;
  return `DAMAGE ${place(shard)}${file}, position ${position}${offsets}: ${what}`;
}

function noteLine({ shard, file, what }: Note): string {
  return `note ${place(shard)}${file}: ${what}`;
}

function place(shard: number | undefined): string {
  return shard === undefined ? "" : `shard ${shard}, `;
}

function summaryLine({ shards, segments, batches, records, bytes }: Totals, damages: number): string {
  const verdict = damages === 0 ? "all is well" : `${damages} ${damages === 1 ? "place is" : "places are"} damaged`;
  return `${verdict}: ${records} records in ${batches} batches, ${segments} segments and ${shards} shards, ${bytes} bytes`;
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}
