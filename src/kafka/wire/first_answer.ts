/**
 * Asks several brokers for what any of them can answer.
 *
 * @module
 */
import { KafkaError } from "./kafka_error.ts";

/**
 * Asks one place after the other until one answers: the next one when the one before has failed, or has said nothing for a while.
 *
 * @param staggerMs How long a place may be silent before the next one is asked, too, in milliseconds.
 * @throws What failed last; but a failure that waiting does not cure counts more than one that passes.
 */
export function firstAnswer<P, T>(
  places: readonly P[],
  staggerMs: number,
  ask: (place: P) => Promise<T>,
): Promise<T> {
  return new Promise((resolve, reject) => {
    let next = 0;
    let open = 0;
    let failure: unknown;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const go = (): void => {
      clearTimeout(timer);
      if (next === places.length) {
        if (open === 0) reject(failure);
        return;
      }
      open++;
      ask(places[next++]).then((answer) => {
        next = places.length;
        clearTimeout(timer);
        resolve(answer);
      }, (error: unknown) => {
        open--;
        if (!(failure instanceof KafkaError && !failure.passes)) failure = error;
        go();
      });
      timer = setTimeout(go, staggerMs);
    };
    go();
  });
}
