/**
 * An audit log: who did what, in an order that nobody can change afterwards without being found out.
 *
 *     node examples/audit_log.ts record DIRECTORY ACTOR ACTION
 *     node examples/audit_log.ts list DIRECTORY [ACTOR]
 *     node examples/audit_log.ts check DIRECTORY [--head HASH]
 *
 * The same on `bun` and `deno run -A`. An entry is recorded once the disk has it. The log's own checksums find what rotted, and
 * `bimiplog verify` says where. Against somebody who writes new checksums, too, every entry carries the SHA-256 of the entry before it: with the
 * last hash kept elsewhere (printed, mailed, in another system) `check --head` proves that nothing was changed, removed or added before it.
 *
 * In a program of your own, import from "@bimip/log".
 */
import { createHash } from "node:crypto";
import process from "node:process";
import { parseArgs } from "node:util";
import { type Log, LogError, type LogRecord, openLog } from "../mod.ts";

/** What the first entry carries instead of a hash. */
const NOTHING: string = "0".repeat(64);
const text = new TextDecoder();

/** Thrown where entries are not what was recorded. */
export class TamperedError extends Error {
  override readonly name = "TamperedError";
}

/** See above. One process records; any number may check beside it. */
export class AuditLog implements AsyncDisposable {
  readonly #log: Log;
  #head: string;
  /** Entries are chained: one after the other. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(log: Log, head: string) {
    this.#log = log;
    this.#head = head;
  }

  static async open(directory: string): Promise<AuditLog> {
    const log = await openLog(directory, { durability: "disk" });
    let head = NOTHING;
    for await (const record of log.read({ last: 1 })) head = hashOf(record);
    return new AuditLog(log, head);
  }

  /**
   * Records an entry, and answers its hash once the disk has it.
   *
   * @throws {LogError} where it could not be written: then what was to be recorded must not happen.
   */
  async record(actor: string, action: string): Promise<string> {
    const turn = this.#last.then(async () => {
      const timestamp = Date.now();
      const { offset } = await this.#log.append({
        key: actor,
        value: action,
        headers: { previous: this.#head },
        timestamp,
      });
      this.#head = hash(offset, timestamp, actor, action, this.#head);
      return this.#head;
    });
    this.#last = turn.catch(() => {});
    return await turn;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#log.close();
  }
}

/** Each entry, of one actor or of all, oldest first. */
export async function* entries(directory: string, actor?: string): AsyncGenerator<LogRecord> {
  const log = await openLog(directory, { readOnly: true });
  try {
    yield* actor === undefined ? log.read() : log.user(actor).read();
  } finally {
    await log.close();
  }
}

/**
 * Reads every entry and checks the chain.
 *
 * @param head A hash that `record` answered once: the entry must still be there.
 * @returns How many entries there are, and the hash of the last.
 * @throws {TamperedError} where an entry is not the one that was recorded.
 * @throws {LogError} `CORRUPT_BATCH` and the like, where files are damaged: `bimiplog verify` tells more.
 */
export async function check(directory: string, head?: string): Promise<{ count: number; head: string }> {
  let count = 0;
  let last = NOTHING;
  let isHeadFound = head === undefined || head === NOTHING;
  for await (const record of entries(directory)) {
    if (record.offset !== count) throw new TamperedError(`entry ${count} is missing`);
    if (previousOf(record) !== last) throw new TamperedError(`entry ${count} does not follow the one before it`);
    last = hashOf(record);
    isHeadFound ||= last === head;
    count++;
  }
  if (!isHeadFound) throw new TamperedError(`no entry has the hash ${head}`);
  return { count, head: last };
}

function previousOf(record: LogRecord): string {
  const value = record.headers.find(([name]) => name === "previous")?.[1];
  return value === undefined || value === null ? "" : text.decode(value);
}

function hashOf(record: LogRecord): string {
  return hash(record.offset, record.timestamp, record.keyText() ?? "", record.text() ?? "", previousOf(record));
}

function hash(...parts: (string | number)[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex");
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { head: { type: "string" } } });
  const [command, directory, actor, action] = positionals;
  if (command === "record" && action !== undefined) {
    await using log = await AuditLog.open(directory);
    console.log(await log.record(actor, action));
  } else if (command === "list" && directory !== undefined) {
    for await (const entry of entries(directory, actor)) {
      console.log(new Date(entry.timestamp).toISOString(), entry.keyText(), entry.text());
    }
  } else if (command === "check" && directory !== undefined) {
    const { count, head } = await check(directory, values.head);
    console.log(`${count} entries, nothing was changed; the last has the hash ${head}`);
  } else {
    throw new TypeError(
      "usage: record DIRECTORY ACTOR ACTION | list DIRECTORY [ACTOR] | check DIRECTORY [--head HASH]",
    );
  }
}

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    const isKnown = error instanceof TamperedError || error instanceof LogError || error instanceof TypeError;
    if (!isKnown) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
