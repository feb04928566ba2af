/**
 * Options of the commands that talk to a Kafka cluster.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import type { KafkaOptions } from "../kafka/kafka_options.ts";
import { SASL_MECHANISMS } from "../kafka/wire/sasl.ts";
import type { Context } from "./command.ts";
import type { OptionKinds } from "./arguments.ts";
import { UsageError } from "./exit_codes.ts";

const PASSWORD = "BIMIPLOG_KAFKA_PASSWORD";
const SAY_EVERY_MS = 5000;

/** What all of them take. */
export const KAFKA_OPTIONS: OptionKinds = {
  topic: "value",
  tls: "flag",
  ca: "value",
  user: "value",
  mechanism: "value",
  patience: "value",
  json: "flag",
};

/** What `--help` says of them. */
export const KAFKA_DETAILS: string = `  --topic T            the topic; it must exist
  --tls                encrypted connections
  --ca FILE            encrypted connections to brokers whose certificates these authorities (PEM) have signed
  --user NAME          authenticate with SASL; the password is in the environment variable ${PASSWORD}
  --mechanism M        how: PLAIN (the default), SCRAM-SHA-256 or SCRAM-SHA-512
  --patience SECONDS   longest time without progress while a broker is away
  --json               one object a line on stdout: {"progress":…}, and at last {"summary":…}`;

/** The options of a call, from the words of the command line. */
export function kafkaOptions({ args, stderr, interruption }: Context, brokersIn: string): KafkaOptions {
  const brokers = args.value(brokersIn);
  if (brokers === undefined || brokers === "") throw new UsageError(`--${brokersIn} HOST:PORT is missing`);
  const topic = args.value("topic");
  if (topic === undefined || topic === "") throw new UsageError("--topic is missing");
  const username = args.value("user");
  const password = process.env[PASSWORD];
  if (username !== undefined && password === undefined) {
    throw new UsageError(`--user needs the password in the environment variable ${PASSWORD}`);
  }
  const mechanism = args.oneOf("mechanism", SASL_MECHANISMS);
  if (mechanism !== undefined && username === undefined) throw new UsageError("--mechanism needs --user");
  const ca = args.value("ca");
  const patience = args.wholeNumber("patience", 0, 31_536_000);
  let said = -Infinity;
  let last = "";
  const onWait = (error: Error): void => {
    const now = performance.now();
    if (now - said < SAY_EVERY_MS && error.message === last) return;
    said = now;
    last = error.message;
    void stderr.text(`bimiplog: waiting: ${error.message}\n`);
    void stderr.flush();
  };
  return {
    brokers,
    topic,
    tls: ca === undefined ? args.flag("tls") : { ca: certificatesIn(ca) },
    signal: interruption.signal,
    onWait,
    ...(username === undefined ? {} : { sasl: { username, password: password!, mechanism: mechanism ?? "PLAIN" } }),
    ...(patience === undefined ? {} : { patienceMs: patience * 1000 }),
  };
}

/** What is in such a file. One without a certificate would mean that every broker is refused. */
function certificatesIn(file: string): string {
  let text = "";
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new UsageError(`--ca: ${(error as Error).message}`);
  }
  if (text.includes("-----BEGIN CERTIFICATE-----")) return text;
  throw new UsageError(`--ca: ${file} holds no certificate in PEM`);
}
