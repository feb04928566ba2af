/**
 * A handle is for one worker.
 *
 * @module
 */
import { LogError } from "../errors.ts";
import { CONNECTED, goneError, type MemberBlock, NEW, OVER } from "./member_block.ts";

/**
 * Takes a handle for this thread.
 *
 * @throws {LogError} `CONFLICT` where another one has it, `CLOSED` where its log is closed.
 */
export function connectOnce(name: string, block: MemberBlock): void {
  if (block.moveState(NEW, CONNECTED)) return;
  if (block.state === OVER) throw goneError(name, OVER);
  throw new LogError(
    "CONFLICT",
    `Cannot connect the consumer ${name}: this handle was connected before; each is for one worker`,
  );
}
