/** Mistakes in copying a log, and in what it says about itself. */
import { type Bug, bug } from "./bug.ts";

const SHARD = "src/backup/backup_shard.ts";
const TARGET = "src/backup/target.ts";

export const INSIDE: readonly Bug[] = [
  bug(
    "unsynced-segment-linked",
    "A backup links a finished segment that need not be synced yet.",
    SHARD,
    "return i < bases.length - 2;",
    "return i < bases.length - 1;",
  ),
  bug(
    "linked-file-continued",
    "A log goes on in a file that a backup has linked.",
    "src/recovery/own_file.ts",
    "if (await vfs.links(path) < 2) return;",
    "if (await vfs.links(path) < 9) return;",
  ),
  bug(
    "oldest-copied-first",
    "A backup that retention overtakes has a hole.",
    SHARD,
    "for (let i = bases.length - 1; i >= 0; i--) {",
    "for (let i = 0; i < bases.length; i++) {",
  ),
  bug(
    "whole-segment-copied",
    "A backup copies what is not published yet.",
    SHARD,
    "await copier.copy(from, target, end.position);",
    "await copier.copy(from, target);",
  ),
  bug(
    "backup-not-clean",
    "The state of a backup does not know that it is clean.",
    SHARD,
    "const facts: State = { ...state, clean };",
    "const facts: State = { ...state, clean: hasSegments ? undefined : clean };",
  ),
  bug(
    "unfinished-backup-opened",
    "Half a backup is taken for a log whose manifest is lost.",
    "src/log/manifest_inference.ts",
    "if (unfinished(entries) !== undefined) return undefined;",
    "if (unfinished(entries) === undefined) void entries;",
  ),
  bug(
    "backup-not-synced",
    "A backup has its name before what is in it is durable.",
    TARGET,
    "// Where there is a manifest later, everything else is there, too.\n    await vfs.syncDirectory(temporary);",
    "",
  ),
  bug(
    "logger-may-throw",
    "A logger that throws stops the log.",
    "src/telemetry/logger.ts",
    "// Whoever listens has a problem of its own: the log goes on.",
    "throw new Error();",
  ),
  bug(
    "unsynced-never-falls",
    "What a sync has covered still counts as not synced.",
    "src/telemetry/shard_telemetry.ts",
    "this.bytesSynced = Math.max(this.bytesSynced, bytes);",
    "",
  ),
  bug(
    "labels-not-escaped",
    "A quotation mark in a directory's name breaks the text for Prometheus.",
    "src/log/stats_text.ts",
    ".replaceAll('\"', '\\\\\"')",
    "",
  ),
];
