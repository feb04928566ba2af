/** What a broker refuses, and a restore that is interrupted. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { KafkaError, mirrorToKafka, restoreFromKafka } from "../../kafka.ts";
import { openLog } from "../../mod.ts";
import { Program, run } from "../cli/program.ts";
import { fails, reopen, useDirectory } from "../helpers.ts";
import { useBroker, whyNoKafka } from "./broker.ts";
import { createTopic } from "./create_topics.ts";
import { logLines, writeRecords } from "./written_log.ts";

const skip = whyNoKafka();
const AUTHORIZER = {
  "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
  "allow.everyone.if.no.acl.found": "true",
};

describe("a broker that refuses", () => {
  it(
    "is named, with the permission that is missing, and goes on where it was allowed",
    { skip },
    () =>
      useBroker((broker) =>
        useDirectory(async (directory) => {
          const path = join(directory, "log");
          await createTopic(broker, "kept", 2);
          const to = { brokers: broker.address, topic: "kept" };
          await writeRecords(path, 2, 0, 6000);
          await reopen(path, { readOnly: true }, (log) => mirrorToKafka(log, to));
          await writeRecords(path, 2, 6000, 6100);
          const acl = ["--topic", "kept", "--deny-principal", "User:ANONYMOUS", "--operation"];
          await broker.tool("org.apache.kafka.tools.AclCommand", ["--add", ...acl, "Write"]);
          await reopen(path, { readOnly: true }, async (log) => {
            const refused = await fails("IO", () => mirrorToKafka(log, to));
            assert.ok(refused instanceof KafkaError && refused.kafka === "TOPIC_AUTHORIZATION_FAILED", refused.message);
            assert.match(refused.message, /grant it/);
          });
          const { code, stderr } = await run(["mirror", path, "--to", broker.address, "--topic", "kept", "--follow"]);
          assert.equal(code, 1);
          assert.match(stderr, /TOPIC_AUTHORIZATION_FAILED/);
          await broker.tool("org.apache.kafka.tools.AclCommand", ["--remove", "--force", ...acl, "Write"]);
          const again = await run(["mirror", path, "--to", broker.address, "--topic", "kept"]);
          assert.equal(again.stdout, "100 records sent to kept\n", again.stderr);
          assert.match(again.stderr, /sent 100 records .*, lag 0, \d+ records\/s/);

          // A restore that is killed again and again, and at last is not.
          const restored = join(directory, "restored");
          const words = ["restore", restored, "--from", broker.address, "--topic", "kept", "--segment-bytes", "20000"];
          for (let delay = 150; delay < 900; delay += 150) {
            const program = new Program(words);
            await new Promise((resolve) => setTimeout(resolve, delay));
            const { code } = await program.kill("SIGKILL");
            if (code === 0) break;
            if (!readdirSync(directory).includes("restored")) continue;
            const names = readdirSync(restored);
            if (names.includes("bimip.copy.json")) break;
            // Before its note it has not begun: that is an empty directory, which anybody may take.
            if (!names.includes("restore")) continue;
            await assert.rejects(openLog(restored), { name: "LogError" });
          }
          const last = await run(words);
          const isDone = /records restored/.test(last.stdout) || /holds a log/.test(last.stderr);
          assert.ok(isDone, `${last.stdout}${last.stderr}`);
          const expected = await reopen(path, { readOnly: true }, logLines);
          assert.deepEqual(await reopen(restored, { readOnly: true }, logLines), expected);
          assert.ok(readdirSync(join(restored, "kept-0")).filter((name) => name.endsWith(".log")).length > 1);
          const { code: verified } = await run(["verify", restored]);
          assert.equal(verified, 0);

          await fails("CONFLICT", () => restoreFromKafka(join(directory, "other"), { ...to, topic: "missing" }));
          await fails("CONFLICT", () => restoreFromKafka(path, to));
        }), { settings: AUTHORIZER }),
  );
});

describe("bimiplog mirror and restore", () => {
  it("say which words are missing", { skip }, async () => {
    await useDirectory(async (directory) => {
      for (
        const [words, what] of [
          [["mirror", directory, "--topic", "t"], /--to HOST:PORT is missing/],
          [["mirror", directory, "--to", "h:1"], /--topic is missing/],
          [["restore", directory, "--topic", "t"], /--from HOST:PORT is missing/],
          [["restore", directory, "--from", "h:1", "--topic", "t", "--user", "u"], /BIMIPLOG_KAFKA_PASSWORD/],
        ] as const
      ) {
        const { code, stderr } = await run(words);
        assert.equal(code, 2);
        assert.match(stderr, what);
      }
    });
  });

  it("say that no broker is there, and give up in time", { skip }, async () => {
    await useDirectory(async (directory) => {
      const path = join(directory, "log");
      await (await openLog(path)).close();
      const { code, stderr } = await run(["mirror", path, "--to", "127.0.0.1:9", "--topic", "t", "--patience", "0"]);
      assert.equal(code, 1);
      assert.match(stderr, /^bimiplog: Cannot connect to 127\.0\.0\.1:9: .+\n$/);
    });
  });
});
