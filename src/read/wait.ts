/**
 * How a follower waits.
 *
 * @module
 */
import type { ShardView } from "./shard_view.ts";

/** Who waits. */
export interface Follower {
  readonly signal: AbortSignal | undefined;
  /** Something is published that was not handed out yet. */
  hasMore(): boolean;
  /** It was told to end. */
  isOver(): boolean;
  /** Takes what ends the wait early; `undefined` once the wait is over. */
  onWait(wake: (() => void) | undefined): void;
}

/** Waits until something may have been published. False where nothing will be any more. */
export async function waitForMore(views: readonly ShardView[], follower: Follower): Promise<boolean> {
  const { signal } = follower;
  for (const view of views) await view.publication.refresh();
  if (follower.hasMore()) return true;
  if (views.every((view) => view.publication.ended)) return false;
  await new Promise<void>((resolve) => {
    const stops = views.map((view) => view.publication.onChange(wake));
    function wake(): void {
      for (const stop of stops) stop();
      signal?.removeEventListener("abort", wake);
      resolve();
    }
    signal?.addEventListener("abort", wake, { once: true });
    follower.onWait(wake);
    // Both may have happened since they were looked at last, and are not announced again.
    if (follower.isOver() || signal?.aborted) wake();
  });
  follower.onWait(undefined);
  return true;
}
