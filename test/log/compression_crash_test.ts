/** Compressed batches under crashes: what was acknowledged is there, and what is there is a run from the first record on. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CrashError, openMemoryLog } from "../../testing.ts";

const SEEDS = 60;

describe("a log that compresses", () => {
  for (const compression of ["gzip", "zstd"] as const) {
    it(`loses nothing that was acknowledged, whatever a crash hits (${compression})`, async () => {
      let crashes = 0;
      for (let seed = 1; seed <= SEEDS; seed++) {
        const log = await openMemoryLog({ seed, compression, batchBytes: 2000, segmentBytes: 4000 });
        log.plan({ fault: "stop", nth: 1 + seed % 25 });
        let acknowledged = -1;
        try {
          for (let n = 0; n < 400; n++) {
            log.shard(0).tryAppend({ value: `number ${n} `.repeat(8) });
            if (n % 20 !== 19) continue;
            await log.flush("disk");
            acknowledged = n;
          }
        } catch (error) {
          if (!(error instanceof CrashError)) throw error;
          crashes++;
        }
        const again = await log.crash(seed % 2 === 0 ? "power" : "process");
        let next = 0;
        for await (const record of again.read()) assert.equal(record.text(), `number ${next++} `.repeat(8));
        assert.ok(next > acknowledged, `seed ${seed}: ${acknowledged} was acknowledged, ${next - 1} is the last`);
        assert.deepEqual(await again.append({ value: "it goes on" }), { shard: 0, offset: next });
        await again.close();
      }
      assert.ok(crashes > SEEDS / 3, `${crashes}`);
    });
  }
});
