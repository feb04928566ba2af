/** File systems of other machines. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { networkOf } from "../../adapters/instance.ts";
import { runtimeVfs } from "../../adapters/runtime.ts";
import { type Instance, openLog } from "../../mod.ts";
import { fails, reopen, take, texts, useDirectory } from "../helpers.ts";
import { ControlledVfs } from "../shard/controlled_vfs.ts";

/** The real file system, which says that it is another machine's: no test machine has one. */
class NetworkVfs extends ControlledVfs {
  override instance(): Instance {
    return { bootId: "", mountId: "", network: "nfs" };
  }
}

describe("a network file system", () => {
  it("is not written to, unless the caller insists; reading needs no consent [fault 46]", () =>
    useDirectory(async (parent) => {
      const directory = join(parent, "log");
      const options = { vfs: new NetworkVfs() };
      const error = await fails("UNSUPPORTED", () => openLog(directory, options));
      assert.match(error.message, /nfs.*allowNetworkFileSystem/);
      assert.deepEqual(readdirSync(directory), []);
      await reopen(directory, { ...options, allowNetworkFileSystem: true }, (log) => {
        take(log.shard(0), { value: "I insist" });
      });
      await fails("UNSUPPORTED", () => openLog(directory, options));
      await reopen(directory, { ...options, readOnly: true }, async (log) => {
        assert.deepEqual(await texts(log.read()), ["I insist"]);
      });
    }));

  it("is known by the number that the system gives it, whatever its sign [fault 46]", async () => {
    assert.deepEqual([0x6969, 0xff534d42, 0xff534d42 | 0, 0xfe534d42].map(networkOf), ["nfs", "cifs", "cifs", "smb2"]);
    for (const local of [0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x794c7630, 0x2fc12fc1]) {
      assert.equal(networkOf(local), undefined);
    }
    // Where the tests run there is none, or nothing else could be tested.
    assert.equal((await runtimeVfs().instance(tmpdir())).network, undefined);
  });
});
