/** Every single bit of the `.log` files of small logs: no wrong record, at most one batch lost, gaps for exactly what is lost. */
import { describe, it } from "node:test";
import { Counts, every, flipAll, goldens } from "./every_bit.ts";

describe("every bit of every .log", () => {
  for (const [i, golden] of goldens.entries()) {
    // What is closed is looked at bit by bit; the others differ only in how the end is found.
    const rare = i === 0 ? 1 : 7;

    it(`${golden.name}: a bit of a .log costs at most its batch [faults 24, 25, 26, 27]`, async () => {
      const counts = new Counts();
      await flipAll(golden, "log", counts, every(rare));
      counts.print("bits of .log opened");
    });
  }
});
