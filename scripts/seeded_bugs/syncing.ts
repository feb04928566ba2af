/** Mistakes in what is made durable, and when. */
import { type Bug, bug } from "./bug.ts";

const COMMITTER = "src/shard/committer.ts";
const BACKGROUND = "src/shard/background_syncs.ts";
const REPAIR = "src/recovery/repair.ts";

export const SYNCING: readonly Bug[] = [
  {
    name: "no-directory-sync-after-create",
    what: "The directory is not synced after a segment was created in it.",
    edits: [
      {
        file: BACKGROUND,
        text: "await finished.sync();\n        await this.#vfs.syncDirectory(this.#directory);",
        replacement: "await finished.sync();",
      },
      {
        file: BACKGROUND,
        text: "async syncDirectory(): Promise<void> {",
        replacement: "async syncDirectory(): Promise<void> {\n    if (await Promise.resolve(true)) return;",
      },
    ],
  },
  bug(
    "no-sync-after-truncate",
    "Recovery cuts a tail and does not sync the cut.",
    REPAIR,
    "await log.sync();",
    "",
  ),
  bug(
    "quarantine-copy-not-synced",
    "The copy of a torn tail is not durable when the tail is cut.",
    REPAIR,
    "await copy?.sync();",
    "",
  ),
  bug(
    "failed-sync-tried-again",
    "A sync that failed is tried once more and then believed.",
    COMMITTER,
    "await this.#segment!.sync();",
    "try { await this.#segment!.sync(); } catch { await this.#segment!.sync(); }",
  ),
  bug(
    "failed-seal-sync-ignored",
    "A finished segment that could not be synced stops nobody.",
    BACKGROUND,
    "await finished.close();\n      }\n    } catch (error) {\n      this.#failed(error);",
    "await finished.close();\n      }\n    } catch {\n      // Bad luck.",
  ),
  bug(
    "roll-without-sync",
    "A segment is finished and never synced.",
    BACKGROUND,
    "await finished.sync();",
    "",
  ),
  bug(
    "clean-mark-stays",
    "The clean mark is still there while batches are appended.",
    COMMITTER,
    "await this.state.save(undefined);",
    "await this.state.save(this.#options.state.clean);",
  ),
  bug(
    "state-not-synced-at-begin",
    "The first batch is written before the raised epoch is durable.",
    "src/shard/shard_state.ts",
    "await this.#write(this.logStart, clean);\n    await this.file!.sync();",
    "await this.#write(this.logStart, clean);\n    if (clean !== undefined) await this.file!.sync();",
  ),
  bug(
    "epoch-begins-behind-an-unsynced-tail",
    "What a killed process left in the page cache is not durable when the next epoch begins behind it.",
    COMMITTER,
    "for (const base of unsyncedSegments) await syncSegment(vfs, directory, base);",
    "for (const base of unsyncedSegments.slice(0, -1)) await syncSegment(vfs, directory, base);",
  ),
  {
    name: "clean-before-last-sync",
    what: "The clean mark is durable before the last batches are.",
    edits: [
      {
        file: "src/shard/shard_writer.ts",
        text: "this.#loop.ask(0, this.nextOffset);",
        replacement: "",
      },
      {
        file: COMMITTER,
        text: "await this.begin();\n    await this.sync();",
        replacement: "await this.begin();",
      },
      {
        file: COMMITTER,
        text: "await this.state.save(this.written);\n",
        replacement: "await this.state.save(this.written);\n    await this.sync();\n",
      },
    ],
  },
  bug(
    "dropped-before-log-start",
    "Segments are removed before the log start behind them is durable.",
    "src/shard/shard_state.ts",
    "await this.file!.sync();\n    this.logStart = offset;",
    "this.logStart = offset;",
  ),
  bug(
    "trimmed-before-synced",
    "The log start moves to an offset in front of which a power loss may still take records.",
    "src/shard/trimming.ts",
    'await shard.acknowledged(offset - 1, "disk");',
    'await shard.acknowledged(offset - 1, "os");',
  ),
  bug(
    "unsynced-segment-forgotten",
    "The segment before the last one, which a killed process may have left unsynced, is not synced by the next.",
    "src/log/open_shard.ts",
    "return bases.slice(synced.nextOffset < end.segment ? -2 : -1);",
    "return bases.slice(-1);",
  ),
  bug(
    "manifest-written-in-place",
    "The manifest is not durable when it gets its name.",
    "src/recovery/whole_file.ts",
    "await file.write(bytes, 0);\n    await file.sync();",
    "await file.write(bytes, 0);",
  ),
  bug(
    "disk-waiters-resolved-early",
    "A sync also resolves waiters whose records are written after it began.",
    "src/shard/announcements.ts",
    "this.#synced.reach(end);",
    "this.#synced.reach(Infinity);",
  ),
];
