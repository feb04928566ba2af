/** Mistakes in what a shard knows of its producers, and in what retention leaves of it. */
import { type Bug, bug } from "./bug.ts";

const SHARD = "src/idempotence/shard_producers.ts";
const STATES = "src/idempotence/producer_states.ts";
const FILES = "src/idempotence/snapshot_files.ts";

export const PRODUCING: readonly Bug[] = [
  bug(
    "snapshot-behind-the-end",
    "A snapshot that speaks of batches which a power loss took is not removed.",
    FILES,
    "if (base > end.nextOffset) await removeIfThere(vfs, path);",
    "",
  ),
  bug(
    "window-of-four",
    "Only the last four batches of a producer are recognized.",
    STATES,
    "export const REMEMBERED_BATCHES = 5;",
    "export const REMEMBERED_BATCHES = 4;",
  ),
  bug(
    "duplicate-acknowledged-early",
    "A batch that is sent again while the first one is not written yet is acknowledged at once.",
    "src/log/named_producer.ts",
    "const offset = await this.#shard.acknowledged(taken, count, options.durability ?? this.#durability, options);",
    "const rung = options.durability ?? this.#durability;\n    const offset = options.sequence === undefined ? await this.#shard.acknowledged(taken, count, rung, options) : this.#shard.offsetOf(taken);",
  ),
  bug(
    "producers-read-over-newer",
    "What an empty shard's files said replaces what was noted while they were read.",
    SHARD,
    "if (this.#loaded !== undefined) return;\n      this.#loaded = loaded;",
    "this.#loaded = loaded;",
  ),
  bug(
    "producers-dropped-with-segments",
    "Retention drops segments of whose producers no snapshot speaks.",
    SHARD,
    "if (kept !== undefined) return kept;",
    "return kept ?? 0;",
  ),
  bug(
    "gap-taken",
    "A batch is taken although one in front of it is missing.",
    STATES,
    "if (sequence === expected) return undefined;",
    "if (sequence >= expected) return undefined;",
  ),
];
