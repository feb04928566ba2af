/** Mistakes in stored offsets and groups. */
import { type Bug, bug } from "./bug.ts";

const CURSOR = "src/consumers/cursor_file.ts";
const OPEN = "src/consumers/open_cursor.ts";
const GROUP = "src/consumers/group.ts";
const CONSUMER = "src/consumers/consumer.ts";

export const CONSUMING: readonly Bug[] = [
  bug(
    "cursor-not-clamped",
    "A stored offset behind the end stays there when the log is opened, and what is appended there is skipped.",
    "src/consumers/clamp.ts",
    "await clamp(context, cursor.name, ends, clamps);",
    "",
  ),
  bug(
    "cursor-goes-back-in-one-copy",
    "An offset that goes back is written to one copy only: the other one would skip records.",
    CURSOR,
    "if (offsets[shard] < this.#offsets[shard]) second = true;",
    "",
  ),
  bug(
    "cursor-commit-not-synced",
    "A commit is acknowledged on the rung disk and not synced.",
    CURSOR,
    'if (rung === "disk") await this.#file.sync();',
    "",
  ),
  bug(
    "cursor-damaged-is-new",
    "A file of which neither copy counts is taken for that of a new consumer.",
    CURSOR,
    'if (typeof decoded === "string" || fault !== undefined) throw damaged(path, block, fault!);',
    'if (typeof decoded === "string") { offsets.push(0); blocks.push({ next: 0, generation: 2, isWhole: true }); continue; }',
  ),
  bug(
    "stale-grant-commits",
    "A member commits a shard that another one has by now.",
    GROUP,
    "const valid = entries.filter(({ shard, grant }) => member.grants.get(shard)?.id === grant);",
    "const valid = entries;",
  ),
  bug(
    "commit-goes-back",
    "A commit that is overtaken by a later one moves the stored offset back.",
    OPEN,
    "Math.max(this.#wanted[shard], next)",
    "next",
  ),
  bug(
    "loop-not-rewound",
    "After an error the next loop goes on behind what was delivered, not behind what was committed.",
    CONSUMER,
    "for (const [shard, held] of this.#held) await held.rewind(committed[shard]);",
    "if (committed.length < 0) for (const held of this.#held.values()) await held.rest();",
  ),
];
