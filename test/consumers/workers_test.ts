/** Workers of one group: they share the shards; one that is terminated or hangs loses its own within its lease. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { useLog } from "../helpers.ts";
import { embedded } from "../kafka/embedded_place.ts";
import { sharedWorkers } from "../kafka/shared_workers.ts";
import { useWorkers } from "./workers.ts";

describe("workers of a group", () => {
  sharedWorkers(false, embedded);

  it("tell why the consumer cannot be opened", () =>
    useLog({}, async (log, directory) => {
      const { openLog } = await import("../../mod.ts");
      const reader = await openLog(directory, { readOnly: true });
      try {
        const own = reader.consumer("group", { follow: false });
        await own.lag();
        await useWorkers(async (start) => {
          const worker = start(log.consumerHandle("group"), {});
          await worker.until((said) => said.some(({ is }) => is === "failed"));
          assert.equal(worker.said.at(-1)!.code, "LOCKED");
        });
        await own.close();
      } finally {
        await reader.close();
      }
    }));
});
