/**
 * What an explicit repair finds in a shard, and what it is going to do about it.
 *
 * @module
 */
import type { InstanceIds } from "../anchor/anchor.ts";
import type { End } from "../anchor/end.ts";
import type { Codecs } from "../batch/codecs.ts";
import type { Vfs } from "../vfs.ts";
import type { ScanRules } from "./scan.ts";

/** What a repair does about one thing that is wrong. */
export type RepairAction =
  /** A header field is written as it was: no record is lost. */
  | "restore"
  /** An empty batch takes offsets whose records are lost. */
  | "void"
  /** A file, or the end of one, is set aside. */
  | "setAside"
  /** A file gets the name that its content asks for. */
  | "rename"
  /** A file that can be made from the others is made again. */
  | "rewrite"
  /** Nothing: a person has to decide. */
  | "none";

/** One thing that is wrong with a log. */
export interface RepairFinding {
  /** `undefined`: it concerns the whole log. */
  readonly shard: number | undefined;
  readonly file: string;
  /** First byte concerned. */
  readonly position: number;
  /** Bytes of the file that are replaced or set aside; 0 where it is missing. */
  readonly bytes: number;
  /** Offsets concerned, both inclusive: lost with `void` and `setAside`, kept with `restore`. */
  readonly range: readonly [number, number] | undefined;
  readonly what: string;
  readonly action: RepairAction;
  /** What is done, as a part of a sentence. */
  readonly remedy: string;
  /** Where the bytes as they were can be found afterwards. */
  keptAside: string | undefined;
}

/** A stretch of a segment as it will be. */
export type Piece =
  /** Batches as they stand in the source. */
  | { readonly kind: "copy"; readonly from: number; to: number }
  /** One batch of the source with another header. */
  | { readonly kind: "batch"; readonly from: number; readonly to: number; header: Uint8Array }
  /** A batch without records that takes offsets. */
  | { readonly kind: "void"; readonly baseOffset: number; nextOffset: number; epoch: number };

/** A segment as it will be. */
export interface Draft {
  readonly base: number;
  /** Where its bytes come from; `undefined` where there is no file yet. */
  readonly source: { readonly path: string; readonly bytes: number } | undefined;
  readonly pieces: Piece[];
  /** Its pieces are not the source as it is. */
  changed: boolean;
  indexDamaged: boolean;
  /** Its index has rows behind its last batch: they are of batches that are gone. */
  hasSpareRows: boolean;
  /** Its index has no row for a batch that was acknowledged. */
  lacksRows: boolean;
  /** Offset behind its last piece. */
  nextOffset: number;
  /** Findings whose original bytes are set aside with the source. */
  readonly findings: RepairFinding[];
}

/** A tail that nobody was promised: batches behind the acknowledged end that do not follow. */
export interface Tail {
  readonly base: number;
  readonly position: number;
  readonly bytes: number;
  readonly fault: string;
}

/** Most offsets of one segment: Kafka's indexes hold them relative to its base in 31 bits. */
export const MAX_SEGMENT_OFFSETS = 0x7fff_ffff;

/** An empty draft. */
export function newDraft(base: number, source?: Draft["source"]): Draft {
  return {
    base,
    source,
    pieces: [],
    changed: source === undefined,
    indexDamaged: false,
    hasSpareRows: false,
    lacksRows: false,
    nextOffset: base,
    findings: [],
  };
}

/** Adds offsets that are lost to the end of a draft; the epoch is a lower bound until more is known. */
export function addVoid(draft: Draft, nextOffset: number, epoch: number): Piece & { kind: "void" } {
  const last = draft.pieces[draft.pieces.length - 1];
  if (last?.kind === "void") {
    last.nextOffset = nextOffset;
    draft.nextOffset = nextOffset;
    return last;
  }
  const piece = { kind: "void" as const, baseOffset: draft.nextOffset, nextOffset, epoch };
  draft.pieces.push(piece);
  draft.nextOffset = nextOffset;
  draft.changed = true;
  return piece;
}

/** Adds a batch of the source as it is. */
export function addCopy(draft: Draft, from: number, to: number, nextOffset: number): void {
  const last = draft.pieces[draft.pieces.length - 1];
  if (last?.kind === "copy" && last.to === from) last.to = to;
  else draft.pieces.push({ kind: "copy", from, to });
  draft.nextOffset = nextOffset;
}

/** Adds a batch of the source with a restored header. */
export function addBatch(draft: Draft, from: number, to: number, header: Uint8Array, nextOffset: number): void {
  draft.pieces.push({ kind: "batch", from, to, header });
  draft.nextOffset = nextOffset;
  draft.changed = true;
}

/** Gives the last batch of the last piece, which stands at `from`, another header. */
export function replaceHeader(draft: Draft, last: Piece & { kind: "copy" }, from: number, header: Uint8Array): void {
  const { to } = last;
  draft.changed = true;
  last.to = from;
  if (last.from === from) draft.pieces.pop();
  draft.pieces.push({ kind: "batch", from, to, header });
}

/** Where a shard lies and to which log it belongs. */
export interface PlanPlace {
  readonly directory: string;
  readonly logId: Uint8Array;
  readonly shard: number;
  readonly instance: InstanceIds;
}

/** What examining a shard needs to know. */
export interface ExamineTask {
  readonly vfs: Vfs;
  readonly codecs: Codecs;
  readonly directory: string;
  readonly logId: Uint8Array;
  readonly shard: number;
  readonly rules: ScanRules;
  /** Ends that state and anchor name. */
  readonly ends: readonly End[];
  /** Records before this offset were acknowledged. */
  readonly promised: number;
  /** Damage in front of this offset is repaired; what does not follow behind it is a tail. */
  readonly trustedTo: number;
  /** All segments, to look for the place a batch came from. */
  readonly drafts: readonly Draft[];
  /** Called with the bytes just passed. */
  readonly passed: (bytes: number) => void;
}
