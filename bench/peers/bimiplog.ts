import { BACKPRESSURE, openLog } from "../../mod.ts";
import type { Peer } from "./peer.ts";

function make(name: string, how: "cursor" | "objects"): Peer {
  return {
    name,
    settings: {
      append: "tryAppend, flush",
      synced: 'durability "disk": tryAppend, flush',
      read: how === "cursor" ? "a cursor over batches()" : "for await over read()",
    },
    async open(directory, durability) {
      const log = await openLog(directory, { topic: "log", durability });
      const shard = log.shard(0);
      return {
        async append(value, count) {
          const record = { value };
          for (let i = 0; i < count; i++) {
            while (shard.tryAppend(record) === BACKPRESSURE) await shard.writable();
          }
          await shard.flush(durability);
        },
        async read() {
          let bytes = 0;
          if (how === "objects") {
            for await (const record of log.read()) bytes += record.value!.length;
            return bytes;
          }
          for await (const batch of log.batches()) {
            const cursor = batch.records();
            while (cursor.next()) bytes += cursor.valueLength;
          }
          return bytes;
        },
        close: () => log.close(),
      };
    },
  };
}

export const bimiplog: Peer = make("bimiplog", "cursor");
/** For reading only: what is appended is the same. */
export const bimiplogObjects: Peer = make("bimiplog, objects", "objects");
