/** What a simulation throws when the log broke a promise. */

/** The log did what it must never do. */
export class Violation extends Error {
  override readonly name: string = "Violation";
}

/** Throws unless `holds`. The message is only made when it is needed. */
export function ensure(holds: boolean, message: () => string): asserts holds {
  if (!holds) throw new Violation(message());
}

/** An error as one line of a report. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = (error as { code?: string }).code;
  return `${error.name}${code === undefined ? "" : ` ${code}`}: ${error.message}`;
}
