/** Brokers that ask for TLS and for a password, on a real one: what gets in, and what is said to whatever does not. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { after, before, describe, it } from "node:test";
import { KafkaError, type KafkaLogOptions, mirrorToKafka, openKafkaLog, restoreFromKafka } from "../../kafka.ts";
import { openLog } from "../../mod.ts";
import { connectProducer } from "../../producer.ts";
import { runHere } from "../cli/here.ts";
import { COMMAND, Program } from "../cli/program.ts";
import { useWorkers } from "../consumers/workers.ts";
import { collect, reopen, texts, until, useDirectory } from "../helpers.ts";
import { whyNoKafka } from "./broker.ts";
import { createTopic } from "./create_topics.ts";
import { type SecuredBroker, SESSION_MS, startSecured, USER } from "./secured_broker.ts";
import { logLines, writeRecords } from "./written_log.ts";

const skip = whyNoKafka();
const PASSWORD = "BIMIPLOG_KAFKA_PASSWORD";
/** What does not pass is said at once, however long somebody would wait. */
const AT_ONCE_MS = 8000;
let secured: SecuredBroker;

describe("a broker that asks for TLS and a password", () => {
  before(async () => {
    if (skip !== false) return;
    secured = await startSecured();
    for (const topic of ["chat", "all", "words", "workers"]) await createTopic(secured.broker, topic, 2);
    await createTopic(secured.broker, "sessions", 1);
  });
  after(() => secured?.broker.remove());

  it("lets a log, consumers, a mirror and a restore in, in every way", { skip }, async () => {
    const tls = { ca: secured.ca };
    const ways: Omit<KafkaLogOptions, "topic">[] = [
      { brokers: secured.ssl, tls },
      { brokers: secured.ssl.replace("127.0.0.1", "localhost"), tls },
      { brokers: secured.ssl, tls: { rejectUnauthorized: false } },
      { brokers: secured.sasl, sasl: USER },
      { brokers: secured.saslSsl, tls, sasl: USER },
      { brokers: secured.saslSsl, tls, sasl: { ...USER, mechanism: "SCRAM-SHA-256" } },
      { brokers: secured.saslSsl, tls, sasl: { ...USER, mechanism: "SCRAM-SHA-512" } },
    ];
    for (const [i, way] of ways.entries()) {
      await using log = await openKafkaLog({ ...way, topic: "chat" });
      // More than one record of TLS holds.
      await log.append({ key: `way ${i}`, value: "x".repeat(100_000) });
      await using consumer = log.consumer("everybody", { follow: false });
      const seen = await collect(consumer);
      assert.deepEqual(seen.map((record) => record.keyText()), [`way ${i}`]);
      await consumer.commit();
    }
    const to = { brokers: secured.saslSsl, tls, sasl: { ...USER, mechanism: "SCRAM-SHA-512" as const }, topic: "all" };
    await useDirectory(async (directory) => {
      const [path, restored] = [join(directory, "log"), join(directory, "restored")];
      await writeRecords(path, 2, 0, 2000);
      const lines = await reopen(path, { readOnly: true }, async (log) => {
        assert.equal((await mirrorToKafka(log, to)).records, 2000);
        return await logLines(log);
      });
      await restoreFromKafka(restored, to);
      assert.deepEqual(await reopen(restored, { readOnly: true }, logLines), lines);
    });
  });

  it("says to everybody else what is wrong, and nothing waits for what does not pass", { skip }, async () => {
    const { plain, ssl, saslSsl, sasl, ca, otherCa } = secured;
    const wrong = { ...USER, password: "of bob" };
    const scram = (mechanism: "SCRAM-SHA-256" | "SCRAM-SHA-512") => ({ ...USER, mechanism });
    const certificate = /with TLS: self.signed certificate in certificate chain; see tls/;
    const cases: Record<string, [Omit<KafkaLogOptions, "topic">, kafka: string, message: RegExp]> = {
      "wrong password": [
        { brokers: saslSsl, tls: { ca }, sasl: wrong },
        "SASL_AUTHENTICATION_FAILED",
        /check user and p/,
      ],
      "wrong password, SCRAM": [
        { brokers: saslSsl, tls: { ca }, sasl: { ...wrong, mechanism: "SCRAM-SHA-256" } },
        "SASL_AUTHENTICATION_FAILED",
        /SCRAM-SHA-256/,
      ],
      "unknown user, SCRAM": [
        { brokers: saslSsl, tls: { ca }, sasl: { ...scram("SCRAM-SHA-512"), username: "bob" } },
        "SASL_AUTHENTICATION_FAILED",
        /SCRAM-SHA-512/,
      ],
      "another mechanism": [{ brokers: sasl, sasl: scram("SCRAM-SHA-256") }, "UNSUPPORTED_SASL_MECHANISM", /, PLAIN$/],
      "no mechanism": [{ brokers: plain, sasl: USER }, "ILLEGAL_SASL_STATE", /leave `sasl` out/],
      "another authority": [{ brokers: ssl, tls: { ca: otherCa } }, "TLS", certificate],
      "no authority": [{ brokers: ssl, tls: true }, "TLS", certificate],
      "another name": [{ brokers: ssl, tls: { ca, servername: "example.org" } }, "TLS", /example\.org/],
      "a port for TLS": [{ brokers: ssl }, "TLS", /that port speaks TLS/],
    };
    for (const [what, [way, kafka, message]] of Object.entries(cases)) {
      const startedMs = performance.now();
      const failure = await openKafkaLog({ ...way, topic: "chat", patienceMs: Infinity }).then(
        () => undefined,
        (e) => e,
      );
      assert.ok(failure instanceof KafkaError, `${what}: ${String(failure)}`);
      assert.equal(failure.kafka, kafka, `${what}: ${failure.message}`);
      assert.match(failure.message, message, what);
      assert.ok(!failure.message.includes(USER.password) && !failure.message.includes(wrong.password));
      assert.ok(performance.now() - startedMs < AT_ONCE_MS, `${what} was waited for`);
    }
    // A broker that is going closes connections in the same way: these are waited for, and say what it may be.
    const waiting: Record<string, [Omit<KafkaLogOptions, "topic">, message: RegExp]> = {
      "a port without TLS": [{ brokers: plain, tls: { ca } }, /is that a port for TLS\?/],
      "no password": [{ brokers: sasl }, /does the broker ask for TLS \(tls\) or a password \(sasl\)\?/],
      "no password, with TLS": [{ brokers: saslSsl, tls: { ca } }, /does the broker ask for a password \(sasl\)\?/],
    };
    for (const [what, [way, message]] of Object.entries(waiting)) {
      const failure = await openKafkaLog({ ...way, topic: "chat", patienceMs: 100 }).then(() => undefined, (e) => e);
      assert.ok(failure instanceof KafkaError && failure.passes, `${what}: ${String(failure)}`);
      assert.match(failure.message, message, what);
    }
  });

  it("lets workers in with what their handle has", { skip }, () =>
    useWorkers(async (start) => {
      const sasl = { ...USER, mechanism: "SCRAM-SHA-512" as const };
      const ca = Buffer.from(secured.ca);
      const log = await openKafkaLog({ brokers: secured.saslSsl, topic: "workers", tls: { ca }, sasl });
      const worker = start(log.consumerHandle("secured"), { follow: false });
      const producer = connectProducer(log.producer());
      for (let i = 0; i < 100; i++) producer.tryAppend({ key: `k${i}`, value: `${i}` });
      await producer.close();
      await worker.until((said) => said.length > 0);
      assert.deepEqual(worker.said, [{ is: "done" }]);
      await using rest = log.consumer("secured", { follow: false });
      assert.equal(worker.delivered().length + (await collect(rest)).length, 100);
      await rest.close();
      await log.close();
    }));

  it("goes on where the broker ends its session", { skip }, async () => {
    const waits: string[] = [];
    const onWait = (error: Error): void => void waits.push(error.message);
    const log = await openKafkaLog({ brokers: secured.sasl, sasl: USER, topic: "sessions", onWait });
    const seen: string[] = [];
    const following = (async () => {
      for await (const record of log.read({ follow: true })) seen.push(record.text()!);
    })();
    const end = performance.now() + 2.5 * SESSION_MS;
    let appended = 0;
    for (; performance.now() < end; appended++) await log.append({ value: `${appended}` });
    assert.ok(waits.length > 0, "no session was ended: nothing is proved");
    await until(() => seen.length >= appended, "the follower is at the end");
    await log.close();
    await following;
    assert.deepEqual(seen, Array.from({ length: appended }, (_, i) => `${i}`));
  });

  it("is reached from the command line", { skip }, () =>
    useDirectory(async (directory) => {
      const [path, restored] = [join(directory, "log"), join(directory, "restored")];
      const log = await openLog(path, { shards: 2 });
      for (let i = 0; i < 10; i++) await log.append({ key: `k${i}`, value: `v${i}` });
      await log.close();
      const secrets = ["--ca", secured.caFile, "--user", USER.username];
      const to = ["mirror", path, "--to", secured.saslSsl, "--topic", "words", ...secrets];
      const sent = await new Program([...to, "--tls"], ["env", `${PASSWORD}=${USER.password}`, ...COMMAND]).end();
      assert.equal(sent.stdout, "10 records sent to words\n", sent.stderr);

      const before = process.env[PASSWORD];
      process.env[PASSWORD] = USER.password;
      try {
        const from = ["restore", restored, "--from", secured.saslSsl, "--topic", "words", ...secrets];
        const back = await runHere([...from, "--mechanism", "SCRAM-SHA-512"], "");
        assert.equal(back.code, 0, back.stderr);
        const values = await reopen(restored, { readOnly: true }, (log) => texts(log.read()));
        assert.deepEqual(values.toSorted(), Array.from({ length: 10 }, (_, i) => `v${i}`));
        process.env[PASSWORD] = "of bob";
        // It would wait for ever for a broker that is away.
        const refused = await runHere([...to, "--follow"], "");
        assert.deepEqual([refused.code, refused.stdout], [1, ""]);
        assert.match(refused.stderr, /^bimiplog: Cannot authenticate with .*SASL_AUTHENTICATION_FAILED/);
        const none = join(directory, "none.pem");
        writeFileSync(none, readFileSync(secured.caFile, "utf8").replaceAll("CERTIFICATE", "NOTHING"));
        for (
          const [words, message] of [
            [["--mechanism", "GSSAPI"], /--mechanism must be PLAIN or SCRAM-SHA-256 or SCRAM-SHA-512/],
            [["--ca", none], /holds no certificate in PEM/],
            [["--ca", join(directory, "missing.pem")], /--ca: .*missing\.pem/],
          ] as const
        ) {
          const { code, stderr } = await runHere([...to, ...words], "");
          assert.equal(code, 2, stderr);
          assert.match(stderr, message);
        }
      } finally {
        if (before === undefined) delete process.env[PASSWORD];
        else process.env[PASSWORD] = before;
      }
    }));
});
