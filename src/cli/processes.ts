/**
 * Other processes of this machine.
 *
 * @module
 */
import process from "node:process";

/** Whether there is a process with this number on this machine; it need not be the one that wrote. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as { code?: unknown }).code === "EPERM";
  }
}
