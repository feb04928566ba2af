/**
 * classic-level 64 asks for a second process that opens a store read-only while another one writes. Here any number of them do, and
 * follow it.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { openLog } from "../../mod.ts";
import { fails, listing, texts, useDirectory } from "../helpers.ts";
import { start } from "../runtimes/children.ts";

describe("a second process, as classic-level 64 asks for", () => {
  it("opens read-only beside the writer, several times, sees what it has published, and follows it", () =>
    useDirectory(async (directory) => {
      const writer = start("holder.ts", { directory, append: 3 });
      const opened = await writer.line("open");
      const pid = opened.split(" ")[1];
      const locked = await fails("LOCKED", () => openLog(directory));
      assert.match(locked.message, new RegExp(`process ${pid}\\b.*readOnly`));

      const before = Object.keys(listing(directory));
      const logs = [await openLog(directory, { readOnly: true }), await openLog(directory, { readOnly: true })];
      for (const log of logs) {
        assert.deepEqual(await texts(log.read()), ["0", "1", "2"]);
        assert.deepEqual(await texts(log.read({ reverse: true, limit: 2 })), ["2", "1"]);
        await fails("READ_ONLY", () => log.append({ value: "x" }));
      }
      const followers = logs.map(async (log) => {
        const seen: (string | null)[] = [];
        for await (const record of log.read({ follow: true })) {
          seen.push(record.text());
          if (seen.length === 5) break;
        }
        return seen;
      });
      writer.send("three");
      writer.send("four");
      for (const seen of await Promise.all(followers)) assert.deepEqual(seen, ["0", "1", "2", "three", "four"]);
      assert.deepEqual(await texts(logs[0].read({ last: 1 })), ["four"]);
      assert.deepEqual(Object.keys(listing(directory)), before, "readers make no files");

      // The writer is killed: what it had published stays readable, and somebody else may write.
      await writer.kill();
      assert.deepEqual(await texts(logs[1].read({ from: 3 })), ["three", "four"]);
      const next = await openLog(directory);
      await next.append({ value: "five" });
      assert.deepEqual(await texts(next.read({ from: 4 })), ["four", "five"]);
      await next.close();
      for (const log of logs) await log.close();
    }));
});
