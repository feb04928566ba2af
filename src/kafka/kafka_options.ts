/**
 * How a Kafka cluster is reached: what all that goes there or comes from there has in common.
 *
 * @module
 */
import type { ConnectionOptions } from "node:tls";
import type { Codecs } from "../batch/codecs.ts";
import type { SignalOptions } from "../options.ts";
import type { Vfs } from "../vfs.ts";
import { KafkaTopic } from "./wire/cluster.ts";
import { SASL_MECHANISMS, type SaslMechanism } from "./wire/sasl.ts";
import { Patience } from "./wire/patience.ts";

/** Where a topic is and how it is reached. */
export interface KafkaOptions extends SignalOptions {
  /** At least one broker as `host:port`; the others are learned from it. */
  brokers: string | readonly string[];
  /** The topic. It must exist. */
  topic: string;
  /** Name that the brokers see. @default {"bimiplog"} */
  clientId?: string;
  /** Encrypted connections: `true`, or options of `node:tls`, such as `{ ca }`. @default {false} */
  tls?: boolean | ConnectionOptions;
  /**
   * Name and password. With `PLAIN` they travel as they are: only with `tls` is that no secret told. `SCRAM-SHA-256` and
   * `SCRAM-SHA-512` prove the password without sending it.
   */
  sasl?: { username: string; password: string; /** @default {"PLAIN"} */ mechanism?: SaslMechanism };
  /** Longest wait for a connection and for one answer, in milliseconds, 100–600,000. @default {30_000} */
  requestTimeoutMs?: number;
  /**
   * Longest time without any progress while a broker is away, slow or full, in milliseconds; after it the last failure is thrown.
   * `Infinity` waits for ever.
   *
   * @default {120_000; following: Infinity}
   */
  patienceMs?: number;
  /** Told before each pause, with the failure that is waited out. */
  onWait?: (error: Error, pauseMs: number) => void;
  /** The file system. @default {the running runtime's own} */
  vfs?: Vfs;
  /** Decompression, needed only for batches that Kafka does not take as they are. @default {the running runtime's own} */
  codecs?: Codecs;
}

/**
 * A topic to talk to.
 *
 * @throws {TypeError} where brokers or topic are none.
 * @throws {RangeError} where a time is out of range.
 */
export function connectTopic(options: KafkaOptions): KafkaTopic {
  const { brokers, topic, clientId = "bimiplog", tls = false, sasl, requestTimeoutMs: timeoutMs = 30_000 } = options;
  if (typeof topic !== "string" || topic === "") throw new TypeError("Cannot reach a topic: topic must be its name");
  if (!(timeoutMs >= 100 && timeoutMs <= 600_000)) {
    throw new RangeError(`Cannot reach a topic: requestTimeoutMs must be 100 to 600000, not ${String(timeoutMs)}`);
  }
  if (sasl !== undefined) checkSasl(sasl);
  const list = typeof brokers === "string" ? brokers.split(",").map((broker) => broker.trim()) : brokers;
  return new KafkaTopic(topic, { brokers: list, clientId, tls, sasl, timeoutMs });
}

function checkSasl({ username, password, mechanism = "PLAIN" }: NonNullable<KafkaOptions["sasl"]>): void {
  if (typeof username !== "string" || username === "" || typeof password !== "string") {
    throw new TypeError("Cannot reach a topic: sasl must have a username and a password");
  }
  if (SASL_MECHANISMS.includes(mechanism)) return;
  throw new RangeError(
    `Cannot reach a topic: sasl.mechanism must be ${SASL_MECHANISMS.join(" or ")}, not ${String(mechanism)}`,
  );
}

/**
 * How patient the options want it.
 *
 * @param unknownTopicMs How long a topic may be unknown: longer where it was there already.
 */
export function patienceOf(
  options: KafkaOptions,
  fallbackMs: number,
  signal: AbortSignal | undefined,
  unknownTopicMs: number,
): Patience {
  const limitMs = options.patienceMs ?? fallbackMs;
  if (!(limitMs >= 0)) {
    throw new RangeError(`Cannot reach a topic: patienceMs must be from 0, not ${String(limitMs)}`);
  }
  return new Patience({ limitMs, unknownTopicMs, signal, onWait: options.onWait });
}
