/** Opens a log and holds it open. */
import { openLog } from "../../../mod.ts";
import { say, sayFailure } from "./say.ts";

/** Opens a log for writing, as a second writer would. */
export interface HoldRequest {
  readonly do: "hold";
  readonly directory: string;
}

/** Answers `open …`, or why not; what it opened stays open. */
export async function hold({ directory }: HoldRequest): Promise<void> {
  const started = performance.now();
  try {
    const log = await openLog(directory);
    const { offset } = await log.append({ value: "held" });
    say(`held ${offset}`);
  } catch (error) {
    sayFailure(error);
    say(`after ${Math.ceil(performance.now() - started)}`);
  }
}
