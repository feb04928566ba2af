/**
 * What `bimiplog top` shows of two samples.
 *
 * @module
 */
import type { Sample, ShardSample } from "./top_sample.ts";
import { bar, bytesText, countText } from "./units.ts";

const BAR_CELLS = 20;
const BOLD = "\x1b[1m";
const GREEN = "\x1b[32m";
const PLAIN = "\x1b[0m";

/** A shard with its rates since the sample before. */
export interface ShardView extends ShardSample {
  readonly messagesPerSecond: number;
  readonly bytesPerSecond: number;
  /** Records written and not synced. */
  readonly unsynced: number;
}

/** All shards together. */
export interface TopView {
  readonly directory: string;
  readonly topic: string;
  /** Who has the log open for writing, in words. */
  readonly writer: string;
  readonly messagesPerSecond: number;
  readonly bytesPerSecond: number;
  readonly segments: number;
  readonly bytes: number;
  readonly unsynced: number;
  readonly shards: readonly ShardView[];
}

/** What there is to draw on. */
export interface Screen {
  readonly columns: number;
  readonly rows: number;
  readonly hasColor: boolean;
}

/** Compares two samples. Retention and another writer may make a number smaller: that is no negative rate. */
export function compare(
  log: { readonly directory: string; readonly topic: string; readonly writer: string },
  before: Sample,
  now: Sample,
): TopView {
  const seconds = Math.max((now.atMs - before.atMs) / 1000, 1e-3);
  const shards = now.shards.map((shard, i): ShardView => ({
    ...shard,
    messagesPerSecond: Math.max(0, shard.written - before.shards[i].written) / seconds,
    bytesPerSecond: Math.max(0, shard.bytes - before.shards[i].bytes) / seconds,
    unsynced: Math.max(0, shard.written - shard.synced),
  }));
  const sum = (name: "messagesPerSecond" | "bytesPerSecond" | "segments" | "bytes" | "unsynced"): number =>
    shards.reduce((total, shard) => total + shard[name], 0);
  return {
    ...log,
    messagesPerSecond: sum("messagesPerSecond"),
    bytesPerSecond: sum("bytesPerSecond"),
    segments: sum("segments"),
    bytes: sum("bytes"),
    unsynced: sum("unsynced"),
    shards,
  };
}

/** One line, for a file or a pipe. */
export function plainLine(view: TopView): string {
  const ends = view.shards.map((shard) => shard.written).join(",");
  return `${view.topic} ${countText(view.messagesPerSecond)} messages/s ${bytesText(view.bytesPerSecond)}/s ` +
    `end ${ends} segments ${view.segments} size ${bytesText(view.bytes)} unsynced ${view.unsynced}`;
}

/** Lines for a terminal; none is longer or more than it has room for. */
export function screenLines(view: TopView, { columns, rows, hasColor }: Screen): string[] {
  const bold = (text: string): string => hasColor ? `${BOLD}${text}${PLAIN}` : text;
  const green = (text: string): string => hasColor && text !== "" ? `${GREEN}${text}${PLAIN}` : text;
  const cut = (text: string): string => text.length > columns ? text.slice(0, columns) : text;
  const head = [
    bold(cut(`${view.topic}  ${view.directory}  ${view.writer}`)),
    cut(
      `${countText(view.messagesPerSecond)} messages/s  ${bytesText(view.bytesPerSecond)}/s  ` +
        `${view.segments} segments  ${bytesText(view.bytes)}  ${countText(view.unsynced)} not synced`,
    ),
    "",
  ];
  const room = Math.max(1, rows - head.length - 4);
  // A line is left free for the cursor. Where not all shards have room, the busiest are shown.
  const shown = [...view.shards].sort((a, b) => b.messagesPerSecond - a.messagesPerSecond || a.shard - b.shard)
    .slice(0, room).sort((a, b) => a.shard - b.shard);
  const most = Math.max(...view.shards.map((shard) => shard.messagesPerSecond));
  const cells = [
    ["shard", "messages/s", "bytes/s", "end", "not synced", "segments", "size"],
    ...shown.map((shard) => [
      String(shard.shard),
      countText(shard.messagesPerSecond),
      bytesText(shard.bytesPerSecond),
      countText(shard.written),
      countText(shard.unsynced),
      countText(shard.segments),
      bytesText(shard.bytes),
    ]),
  ];
  const widths = cells[0].map((_, column) => Math.max(...cells.map((row) => row[column].length)));
  const table = cells.map((row, i) => {
    const text = cut(row.map((cell, column) => cell.padStart(widths[column])).join("  "));
    const left = columns - text.length - 2;
    if (i === 0 || left < 1) return text;
    return `${text}  ${green(bar(most === 0 ? 0 : shown[i - 1].messagesPerSecond / most, Math.min(left, BAR_CELLS)))}`;
  });
  const hidden = view.shards.length - shown.length;
  const more = hidden === 0 ? [] : [cut(`and ${hidden} more ${hidden === 1 ? "shard" : "shards"}`)];
  return [...head, ...table, ...more, cut("q ends")].map((line) => line.trimEnd());
}
