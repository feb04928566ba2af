/**
 * Processes that end with everything they have started. Each was started `detached`, which gives it a group of its own.
 *
 * @module
 */
import process from "node:process";

const running = new Set<number>();

/** Remembers a process that was just started; `undefined`, of one that could not be, is nothing. */
export function addGroup(pid: number | undefined): void {
  if (pid !== undefined) running.add(pid);
}

/** Ends what still runs of a group. */
export function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It is gone already.
  }
}

/** Ends what still runs of a group, and forgets it. */
export function endGroup(pid: number | undefined): void {
  killGroup(pid);
  if (pid !== undefined) running.delete(pid);
}

/** Ends every group that is remembered. */
export function killGroups(): void {
  for (const pid of running) killGroup(pid);
}
