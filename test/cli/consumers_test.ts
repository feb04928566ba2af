/** `bimiplog consumers`: what it lists, resets and removes. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { namesIn, reopen, useDirectory } from "../helpers.ts";
import { run } from "./program.ts";

describe("bimiplog consumers", () => {
  it("lists, resets and removes what it is told to, and nothing without --yes [fault 30]", () =>
    useDirectory(async (directory) => {
      await reopen(directory, { shards: 2, topic: "log" }, async (log) => {
        for (let i = 0; i < 10; i++) log.shards[i % 2].tryAppend({ value: `${i}` });
        await log.flush();
        const consumer = log.consumer("mailer");
        await consumer.commit({ shard: 0, offset: 1 });
        await consumer.close();
      });
      const list = await run(["consumers", directory]);
      assert.equal(list.code, 0, list.stderr);
      assert.equal(
        list.stdout,
        "  name  shard  committed  end  lag\nmailer      0          2    5    3\nmailer      1          0    5    5\n",
      );
      const json = async (): Promise<unknown[]> => {
        const { stdout } = await run(["consumers", directory, "--json"]);
        return stdout.trimEnd().split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
      };
      const would = await run(["consumers", directory, "--reset", "mailer", "--to", "latest"]);
      assert.equal(would.code, 0, would.stderr);
      assert.match(would.stdout, /^WOULD RESET mailer, shard 0: from 2 to 5\n[^]*add --yes\n$/);
      const done = await run(["consumers", directory, "--reset", "mailer", "--to", "4", "--shard", "1", "--yes"]);
      assert.equal(done.stdout, "RESET mailer, shard 1: from 0 to 4\n");
      assert.deepEqual(await json(), [
        { name: "mailer", shard: 0, committed: 2, end: 5, lag: 3 },
        { name: "mailer", shard: 1, committed: 4, end: 5, lag: 1 },
      ]);
      for (
        const [words, code] of [
          [["--reset", "mailer", "--to", "9", "--shard", "1"], 1],
          [["--reset", "mailer", "--to", "9", "--shard", "2"], 2],
          [["--reset", "mailer", "--to", "9"], 2],
          [["--reset", "nobody", "--to", "latest"], 1],
          [["--reset", "mailer"], 2],
          [["--reset", "mailer", "--to", "soon"], 2],
          [["--delete", "a/b"], 2],
        ] as const
      ) {
        const ending = await run(["consumers", directory, ...words]);
        assert.equal(ending.code, code, `${words.join(" ")}: ${ending.stderr}`);
        assert.notEqual(ending.stderr, "");
      }
      const file = join(directory, namesIn(directory).find((name) => /^cursor-mailer-[0-9a-f]{8}$/.test(name))!);
      const bytes = readFileSync(file);
      for (const at of [100, 4196]) bytes[at] ^= 1;
      writeFileSync(file, bytes);
      const damaged = await run(["consumers", directory]);
      assert.equal(damaged.code, 3);
      assert.match(damaged.stderr, /cursor-mailer-[0-9a-f]{8}: neither copy counts/);
      const verified = await run(["verify", directory]);
      assert.equal(verified.code, 3);
      assert.equal(verified.stdout.match(/^DAMAGE .*cursor-mailer-[0-9a-f]{8}, position (0|4096): /gm)?.length, 2);
      const anew = await run(["consumers", directory, "--reset", "mailer", "--to", "earliest", "--yes"]);
      assert.match(anew.stdout, /^RESET mailer, shard 0: from a damaged file to 0\n/);
      assert.equal((await run(["verify", directory])).code, 0);
      assert.equal((await run(["consumers", directory, "--delete", "mailer", "--yes"])).stdout, "DELETED mailer\n");
      assert.deepEqual(await json(), []);
      assert.equal((await run(["consumers", directory])).stdout, "no consumer has stored offsets here\n");
    }));
});
