/**
 * How a simulated crash looks to the program that is caught in it.
 *
 * @module
 */
import { LogError } from "../errors.ts";

/**
 * The simulated process is dead. In reality nobody would be told: the call would just never come back. A crash test
 * catches this error around the program under test, and lets every other one through.
 *
 * @example
 * ```ts
 * import { CrashError, openMemoryLog } from "@bimip/log/testing";
 *
 * const log = await openMemoryLog();
 * const append = log.append({ value: "hi" });
 * await log.crash("process");
 * await append.catch((error) => console.log(error instanceof CrashError, error.code)); // true CLOSED
 * ```
 */
export class CrashError extends LogError {
  /** `CrashError`. */
  override readonly name: string = "CrashError";

  /**
   * The code is `CLOSED`.
   *
   * @param directory Of the log that is gone.
   */
  constructor(directory: string) {
    super(
      "CLOSED",
      `Cannot go on with the log in ${directory}: its machine has crashed; go on with the log that crash() answers`,
    );
  }
}
