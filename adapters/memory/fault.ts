/**
 * What can go wrong with an operation.
 *
 * @module
 */
import type { VfsErrorCode } from "../../src/vfs.ts";

/**
 * What goes wrong. The code of an injected error is `IO` unless it is given.
 *
 * | kind | fits | what happens |
 * |---|---|---|
 * | `errorBefore` | all | fails, nothing happened |
 * | `errorAfter` | all | fails, but its effect is there (a lock is not left held) |
 * | `shortWrite` | write | part of the range is written, then it fails; a number counts bytes |
 * | `lostWrite` | write | succeeds and is read back, but never reaches the disk |
 * | `misdirectedWrite` | write | succeeds and is read back, but the disk gets it `byBytes` further on |
 * | `lostSync` | sync, syncDirectory | fails once; the changes stay visible, later syncs succeed without them |
 * | `lyingSync` | sync, syncDirectory | succeeds, nothing is durable before an honest sync |
 * | `flippedBit` | read | one bit of what was read is wrong, this once; `bit` counts from the first byte read |
 * | `delay` | all | completes after this many turns of the scheduler, others overtake it |
 */
export type Fault =
  | { readonly kind: "errorBefore" | "errorAfter"; readonly code?: VfsErrorCode }
  | { readonly kind: "shortWrite"; readonly bytes: number | "half" | "allButOne"; readonly code?: VfsErrorCode }
  | { readonly kind: "lostWrite" }
  | { readonly kind: "misdirectedWrite"; readonly byBytes: number }
  | { readonly kind: "lostSync"; readonly code?: VfsErrorCode }
  | { readonly kind: "lyingSync" }
  | { readonly kind: "flippedBit"; readonly bit?: number }
  | { readonly kind: "delay"; readonly turns: number };

/** Kinds of faults, as counted in reports. */
export type FaultKind = Fault["kind"];
