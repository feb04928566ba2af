/** The job queue does every job once, whoever crashes, and gives up the job that always crashes. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { add, work } from "../../examples/job_queue.ts";
import { openLog } from "../../mod.ts";
import { reopen, useDirectory } from "../helpers.ts";

describe("the job queue", () => {
  it("does every job once, in threads, and finds nothing to do afterwards", () =>
    useDirectory(async (root) => {
      const directory = join(root, "jobs");
      const jobs = Array.from({ length: 60 }, (_, n) => `job ${n}`);
      await add(directory, jobs);
      const seen: string[] = [];
      const report = await work(directory, 3, (_, text) => seen.push(text));
      assert.deepEqual(seen.toSorted(), jobs.toSorted());
      assert.deepEqual(report, { done: 60, again: 0, setAside: 0, crashed: 0 });
      assert.deepEqual(await work(directory, 2), { done: 0, again: 0, setAside: 0, crashed: 0 });
      await add(directory, ["one more"]);
      assert.equal((await work(directory, 2)).done, 1);
    }));

  it("has the jobs of a crashed thread done by others, and sets aside one that always crashes", () =>
    useDirectory(async (root) => {
      const directory = join(root, "jobs");
      const jobs = Array.from(
        { length: 30 },
        (_, n) => n === 7 ? "crash once" : n === 11 ? "crash always" : `job ${n}`,
      );
      await add(directory, jobs);
      const seen: string[] = [];
      const { done, setAside, crashed } = await work(directory, 2, (_, text) => seen.push(text));
      assert.deepEqual(seen.toSorted(), jobs.filter((job) => job !== "crash always").toSorted());
      assert.deepEqual([done, setAside, crashed], [29, 1, 4]);
      await reopen(directory, {}, async (log) => assert.equal((await log.consumers())[0].total, 0));
    }));

  it("passes a job that is marked and was not committed", () =>
    useDirectory(async (root) => {
      const directory = join(root, "jobs");
      await add(directory, ["a", "b", "c"]);
      const places: string[] = [];
      await reopen(directory, {}, async (log) => {
        for await (const record of log.read()) places.push(`${record.shard}/${record.offset}`);
      });
      const marks = await openLog(`${directory}-done`);
      await marks.append({ key: places[1], value: null });
      await marks.close();
      const seen: string[] = [];
      const { done, again } = await work(directory, 2, (job) => seen.push(job));
      assert.deepEqual([done, again], [2, 1]);
      assert.ok(!seen.includes(places[1]));
    }));
});
