/** Names that would lead out of the directory, or nowhere. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { openLog } from "../../mod.ts";
import { crc32c } from "../../src/batch/crc32c.ts";
import { hex32 } from "../../src/batch/format.ts";
import { MANIFEST_NAMES } from "../../src/log/manifest.ts";
import { fails, listing, reopen, take, texts, useDirectory } from "../helpers.ts";

const HOSTILE = [
  ...[
    "..",
    ".",
    "",
    "../x",
    "a/b",
    "/etc",
    "a\\b",
    "a\0b",
    "a:b",
    "a b",
    "a\nb",
    "ä",
    "\u202etxt",
    "a%2fb",
    "~",
    "$HOME",
  ],
  "x".repeat(250),
  "x".repeat(300),
];

/** Gives both copies of a manifest another topic, and the right checksum. */
function setTopic(directory: string, topic: string): void {
  for (const name of MANIFEST_NAMES) {
    const path = join(directory, name);
    const text = readFileSync(path, "utf8").replace(/"topic": ".*"/, () => `"topic": ${JSON.stringify(topic)}`);
    const covered = text.slice(0, text.indexOf('\n  "checksum"'));
    const checksum = hex32(crc32c(new TextEncoder().encode(covered)));
    writeFileSync(path, `${covered}\n  "checksum": "crc32c:${checksum}"\n}\n`);
  }
}

describe("a hostile name", () => {
  it("is refused as a topic, and nothing is made [fault 52]", () =>
    useDirectory(async (parent) => {
      for (const topic of HOSTILE) {
        await assert.rejects(openLog(join(parent, "log"), { topic }), RangeError, JSON.stringify(topic));
      }
      assert.deepEqual(readdirSync(parent), []);
    }));

  it("in a manifest is damage, and no path is made of it [fault 52]", () =>
    useDirectory(async (parent) => {
      const directory = join(parent, "log");
      await reopen(directory, { topic: "good" }, (log) => void take(log.shard(0), { value: "here" }));
      for (const topic of HOSTILE) {
        setTopic(directory, topic);
        const before = listing(parent);
        // The directories tell what the manifest does not.
        await reopen(directory, { readOnly: true }, async (log) => {
          assert.equal(log.topic, "good", JSON.stringify(topic));
          assert.deepEqual(await texts(log.read()), ["here"]);
        });
        assert.deepEqual(listing(parent), before);
      }
      setTopic(directory, "good");
      await reopen(directory, {}, (log) => assert.equal(log.recovery[0].verdict, "clean"));
    }));

  it("of a directory is its own affair: the topic is another one then [fault 52]", () =>
    useDirectory(async (parent) => {
      for (const name of ["a b", "ünïcode", "CON", "nul.txt", "x".repeat(250), "..."]) {
        const directory = join(parent, name);
        await reopen(directory, {}, (log) => void take(log.shard(0), { value: "here" }));
        await reopen(directory, { readOnly: true }, async (log) => {
          assert.equal(log.topic, /^[\w.-]{1,249}$/.test(name) ? name : "log");
          // A device's name is one only where nothing but an ending follows it.
          assert.ok(existsSync(join(directory, `${log.topic}-0`)));
          assert.deepEqual(await texts(log.read()), ["here"]);
        });
      }
      const twin = join(parent, "CON");
      await fails("CONFLICT", () => openLog(twin, { topic: "con" }));
    }));
});
