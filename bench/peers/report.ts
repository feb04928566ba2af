/**
 * What was found, as a table.
 *
 * @module
 */
import type { Spread } from "../pairs.ts";
import type { Peer } from "./peer.ts";

/** What is measured. */
export type Work = "append" | "synced" | "read" | "read objects";

export const WORKS: readonly (readonly [work: Work, title: string])[] = [
  ["append", "append, page cache"],
  ["synced", "append, synced before it counts"],
  ["read", "read back: BimipLog by cursor"],
  ["read objects", "read back: BimipLog by objects"],
];

/** One peer at one work on one runtime, beside BimipLog. */
export interface PeerOutcome {
  readonly peer: string;
  readonly work: Work;
  readonly runtime: string;
  readonly messages: number;
  /** In seconds. */
  readonly pairs: readonly { readonly ours: number; readonly theirs: number }[];
  /** Messages a second. */
  readonly ours: Spread;
  readonly theirs: Spread;
  /** BimipLog's speed divided by the peer's, of each pair. */
  readonly ratio: Spread;
}

/** How a peer is used at a work; undefined: it cannot do that. */
export function settingOf(peer: Peer, work: Work): string | undefined {
  return peer.settings[work === "read objects" ? "read" : work];
}

function million({ low, median, high }: Spread): string {
  const text = (perSecond: number): string => (perSecond / 1e6).toFixed(2);
  return `${text(median)} (${text(low)}–${text(high)})`;
}

export function markdownTable(outcomes: readonly PeerOutcome[], peers: readonly Peer[]): string {
  const lines: string[] = [];
  for (const [work, title] of WORKS) {
    const rows = outcomes.filter((outcome) => outcome.work === work);
    if (rows.length === 0) continue;
    lines.push(`**${title}**`, "", "| runtime | peer | BimipLog, M/s | peer, M/s | ratio | how the peer is used |");
    lines.push("|---|---|---|---|---|---|");
    for (const { runtime, peer, ours, theirs, ratio } of rows) {
      const spread = `${ratio.median.toFixed(1)} (${ratio.low.toFixed(1)}–${ratio.high.toFixed(1)})`;
      const setting = settingOf(peers.find(({ name }) => name === peer)!, work) ?? "";
      lines.push(`| ${runtime} | ${peer} | ${million(ours)} | ${million(theirs)} | ${spread} | ${setting} |`);
    }
    lines.push("");
  }
  return lines.join("\n");
}
