/** What `log.guarantee()` says, and that it leaves nothing behind. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import process from "node:process";
import { describe, it } from "node:test";
import { storageIn } from "../../adapters/storage.ts";
import { openLog } from "../../mod.ts";
import { fails, listing, namesIn, useDirectory, useLog } from "../helpers.ts";

describe("a guarantee", () => {
  it("says rung, file system, way of writing and a measured sync, and leaves nothing behind", () =>
    useLog({ shards: 2, durability: "disk" }, async (log, directory) => {
      await log.shard(1).tryAppend({ value: "v" });
      await log.flush();
      const names = namesIn(directory);
      const { rung, fileSystem, directIo, writeModes, syncMs, text } = await log.guarantee();
      assert.deepEqual([rung, writeModes], ["disk", ["none", "cached"]]);
      assert.ok(syncMs! >= 0 && syncMs! < 60_000);
      assert.match(directIo, /^(possible|refused)$/);
      if (process.platform === "linux") assert.match(fileSystem!, /^\w+$/);
      assert.match(text, /^An acknowledgement on rung disk means that the record was synced/);
      assert.match(text, /a sync takes about [\d.e+-]+ ms/);
      assert.deepEqual(namesIn(directory), names);
    }));

  it("is found beside others who ask, and where an earlier one left its file", () =>
    useLog({}, async (log, directory) => {
      writeFileSync(`${directory}/guarantee.tmp`, "left behind");
      const answers = await Promise.all([log.guarantee(), log.guarantee(), log.guarantee()]);
      assert.deepEqual(answers[1], answers[0]);
      assert.deepEqual(namesIn(directory, ".tmp"), []);
      assert.match((await log.guarantee()).text, /rung os means that the operating system has the record/);
    }));

  it("writes nothing where the log is open for reading, and is refused once it is closed", () =>
    useDirectory(async (directory) => {
      await (await openLog(directory)).close();
      const before = listing(directory);
      const log = await openLog(directory, { readOnly: true });
      const { syncMs, writeModes } = await log.guarantee();
      assert.deepEqual([syncMs, writeModes], [undefined, ["none"]]);
      assert.deepEqual(listing(directory), before);
      await log.close();
      await fails("CLOSED", () => log.guarantee());
    }));
});

describe("the file system of a path", () => {
  const mounts = [
    "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw",
    "30 22 0:40 / /data rw - xfs /dev/sdb1 rw,attr2,nobarrier",
    "31 30 0:41 / /data/with\\040blank rw - tmpfs tmpfs rw",
    "32 22 0:42 / /over rw - ext4 /dev/sdc1 rw",
    "33 32 0:43 / /over rw - overlay overlay rw",
    "",
  ].join("\n");

  it("is that of the mount it lies in, the last one where several have the same place", () => {
    const ext4 = { fileSystem: "ext4", device: "/dev/sda1", fullSync: true };
    assert.deepEqual(storageIn(mounts, "/home/me"), ext4);
    assert.deepEqual(storageIn(mounts, "/database"), ext4);
    assert.deepEqual(storageIn(mounts, "/data"), { fileSystem: "xfs", device: "/dev/sdb1", fullSync: false });
    assert.equal(storageIn(mounts, "/data/with blank/log").fileSystem, "tmpfs");
    assert.equal(storageIn(mounts, "/over/log").fileSystem, "overlay");
  });

  it("is unknown where nothing is said", () => assert.deepEqual(storageIn("nonsense\n", "/data"), {}));
});
