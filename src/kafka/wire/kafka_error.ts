/**
 * What a broker refuses, as the log's own error.
 *
 * @module
 */
import { type ConflictReason, LogError, type LogErrorCode, type LogErrorDetails } from "../../errors.ts";

/** What a broker's error code means to a client. */
interface Meaning {
  readonly name: string;
  readonly code: LogErrorCode;
  /** It may be gone by itself. */
  readonly passes?: boolean;
  readonly advice?: string;
}

const passing = (name: string): Meaning => ({ name, code: "IO", passes: true });
const refused = (name: string, advice: string): Meaning => ({ name, code: "IO", advice });
const GRANT = "the principal lacks the permission; grant it with kafka-acls";

const MEANINGS: Readonly<Record<number, Meaning>> = {
  [-1]: passing("UNKNOWN_SERVER_ERROR"),
  1: { name: "OFFSET_OUT_OF_RANGE", code: "OFFSET_OUT_OF_RANGE" },
  2: passing("CORRUPT_MESSAGE"),
  3: { name: "UNKNOWN_TOPIC_OR_PARTITION", code: "CONFLICT", advice: "create the topic, or name another" },
  5: passing("LEADER_NOT_AVAILABLE"),
  6: passing("NOT_LEADER_OR_FOLLOWER"),
  7: passing("REQUEST_TIMED_OUT"),
  8: passing("BROKER_NOT_AVAILABLE"),
  9: passing("REPLICA_NOT_AVAILABLE"),
  10: { name: "MESSAGE_TOO_LARGE", code: "RECORD_TOO_LARGE" },
  13: passing("NETWORK_EXCEPTION"),
  14: passing("COORDINATOR_LOAD_IN_PROGRESS"),
  15: passing("COORDINATOR_NOT_AVAILABLE"),
  16: passing("NOT_COORDINATOR"),
  17: { name: "INVALID_TOPIC_EXCEPTION", code: "CONFLICT", advice: "name a legal topic" },
  18: { name: "RECORD_LIST_TOO_LARGE", code: "RECORD_TOO_LARGE" },
  19: passing("NOT_ENOUGH_REPLICAS"),
  20: passing("NOT_ENOUGH_REPLICAS_AFTER_APPEND"),
  22: passing("ILLEGAL_GENERATION"),
  23: {
    name: "INCONSISTENT_GROUP_PROTOCOL",
    code: "CONFLICT",
    advice: "its members deal out shards in another way: leave `shards` out, or use another name",
  },
  24: { name: "INVALID_GROUP_ID", code: "CONFLICT" },
  25: passing("UNKNOWN_MEMBER_ID"),
  26: { name: "INVALID_SESSION_TIMEOUT", code: "CONFLICT", advice: "see the broker's group.*.session.timeout.ms" },
  27: passing("REBALANCE_IN_PROGRESS"),
  29: refused("TOPIC_AUTHORIZATION_FAILED", GRANT),
  30: refused("GROUP_AUTHORIZATION_FAILED", GRANT),
  31: refused("CLUSTER_AUTHORIZATION_FAILED", GRANT),
  32: { name: "INVALID_TIMESTAMP", code: "CONFLICT", advice: "see the topic's message.timestamp.*.max.ms" },
  33: { name: "UNSUPPORTED_SASL_MECHANISM", code: "UNSUPPORTED" },
  34: refused("ILLEGAL_SASL_STATE", "it asks for no name and password there: leave `sasl` out, or use another port"),
  35: { name: "UNSUPPORTED_VERSION", code: "UNSUPPORTED", advice: "the broker must be Kafka 2.1 or later" },
  44: { name: "POLICY_VIOLATION", code: "CONFLICT" },
  45: passing("OUT_OF_ORDER_SEQUENCE_NUMBER"),
  46: passing("DUPLICATE_SEQUENCE_NUMBER"),
  47: passing("INVALID_PRODUCER_EPOCH"),
  51: passing("CONCURRENT_TRANSACTIONS"),
  56: passing("KAFKA_STORAGE_ERROR"),
  58: refused("SASL_AUTHENTICATION_FAILED", "check user and password"),
  59: passing("UNKNOWN_PRODUCER_ID"),
  74: passing("FENCED_LEADER_EPOCH"),
  75: passing("UNKNOWN_LEADER_EPOCH"),
  76: { name: "UNSUPPORTED_COMPRESSION_TYPE", code: "UNSUPPORTED" },
  78: passing("OFFSET_NOT_AVAILABLE"),
  81: { name: "GROUP_MAX_SIZE_REACHED", code: "CONFLICT", advice: "the broker's group.max.size limits a group" },
  87: { name: "INVALID_RECORD", code: "BATCH_INVALID" },
  89: passing("THROTTLING_QUOTA_EXCEEDED"),
  90: { name: "PRODUCER_FENCED", code: "CONFLICT" },
  100: passing("UNKNOWN_TOPIC_ID"),
};

/** The broker's own codes that decide how mirror and restore go on. */
export const UNKNOWN_TOPIC = 3;
export const OFFSET_NOT_AVAILABLE = 78;
export const NOT_ENOUGH_REPLICAS = 19;
export const MESSAGE_TOO_LARGE: readonly number[] = [10, 18];
/** What the broker knows of the producer is not what the producer believes. */
export const PRODUCER_STATE: readonly number[] = [45, 46, 47, 59];

/** Of these, and other refusals of a batch that its producer has numbered: which condition of the log failed. */
const REASONS: Readonly<Record<number, ConflictReason>> = {
  45: "OUT_OF_ORDER_SEQUENCE_NUMBER",
  46: "DUPLICATE_SEQUENCE_NUMBER",
  47: "INVALID_PRODUCER_EPOCH",
  59: "OUT_OF_ORDER_SEQUENCE_NUMBER",
  90: "INVALID_PRODUCER_EPOCH",
};

/** Which condition a refusal of a producer's batch means; `undefined` where it is about something else. */
export function refusalReason(number: number): ConflictReason | undefined {
  return REASONS[number];
}

/** The batch itself is refused, for what it is or for its number: others are not concerned. Too large, a wrong time, codec or record. */
export function refusesBatch(number: number): boolean {
  return REASONS[number] !== undefined || MESSAGE_TOO_LARGE.includes(number) || [32, 76, 87].includes(number);
}

/** The member is known, and a new generation of its group is being made. */
export const REBALANCING = 27;
/** The group goes on without the member, or in another generation. */
export const LEFT_BEHIND: readonly number[] = [22, 25];
export const UNKNOWN_MEMBER = 25;

/** A failure of a broker, or of the way to it. */
export class KafkaError extends LogError {
  /** `KafkaError`. */
  override readonly name: string = "KafkaError";
  /** Kafka's name of the error, such as `TOPIC_AUTHORIZATION_FAILED`; `NETWORK` where no broker answered, `TLS` where none could be trusted. */
  readonly kafka: string;
  /** Kafka's number of it; 0 where no broker answered. */
  readonly number: number;
  /** Trying again may help. */
  readonly passes: boolean;

  /** A failure with Kafka's name of it. */
  constructor(
    code: LogErrorCode,
    kafka: string,
    number: number,
    passes: boolean,
    message: string,
    details: LogErrorDetails = {},
  ) {
    super(code, message, details);
    this.kafka = kafka;
    this.number = number;
    this.passes = passes;
  }
}

/** The error for a broker's error code. */
export function brokerError(number: number, action: string, details: LogErrorDetails = {}): KafkaError {
  const meaning = MEANINGS[number] ?? { name: `error ${number}`, code: "IO" as const };
  const advice = meaning.advice === undefined ? "" : `; ${meaning.advice}`;
  const message = `Cannot ${action}: the broker answered ${meaning.name}${advice}`;
  return new KafkaError(meaning.code, meaning.name, number, meaning.passes === true, message, details);
}

/** The error where no broker can be reached, or it does not keep to the protocol. */
export function networkError(action: string, why: string, cause?: unknown): KafkaError {
  return new KafkaError("IO", "NETWORK", 0, true, `Cannot ${action}: ${why}`, { cause });
}
