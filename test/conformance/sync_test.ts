/** Which of the system's calls makes data durable. */
import assert from "node:assert/strict";
import { fdatasync, fsync } from "node:fs";
import { describe, it } from "node:test";
import { syncCallOf } from "../../adapters/posix_file.ts";

describe("the sync of a file", () => {
  it("is the full one where the short one leaves data in the drive [fault 13]", () => {
    assert.equal(syncCallOf("darwin"), fsync);
    for (const platform of ["linux", "win32", "freebsd"]) assert.equal(syncCallOf(platform), fdatasync);
  });
});
