/** What `test/deno/` uses of `@std/assert`, for machines that cannot reach JSR. */
import { AssertionError, deepStrictEqual } from "node:assert/strict";

/** Fails unless `condition` holds. */
export function assert(condition: unknown, message?: string): asserts condition {
  if (!condition) throw new AssertionError({ message });
}

/** Fails unless the two are deeply equal. */
export function assertEquals<T>(actual: T, expected: T): void {
  deepStrictEqual(actual, expected);
}

/** Fails unless `action` rejects with an instance of `type`; answers the error. */
export async function assertRejects<E extends Error>(
  action: () => PromiseLike<unknown>,
  // deno-lint-ignore no-explicit-any -- a constructor with any parameters
  type: new (...args: any[]) => E,
): Promise<E> {
  try {
    await action();
  } catch (error) {
    if (error instanceof type) return error;
    throw error;
  }
  throw new Error(`Expected a rejection with ${type.name}`);
}
