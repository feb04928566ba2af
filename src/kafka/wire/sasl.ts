/**
 * Says to a broker who is there: SASL, with a name and a password.
 *
 * @module
 */
import { type WireReader, WireWriter } from "./encoding.ts";
import { brokerError, KafkaError } from "./kafka_error.ts";
import { ScramClient } from "./scram.ts";

/** How a password is proved: PLAIN sends it, the others do not. */
export type SaslMechanism = "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512";

/** All there are. */
export const SASL_MECHANISMS: readonly SaslMechanism[] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"];

/** Who is there. */
export interface SaslSettings {
  readonly username: string;
  readonly password: string;
  /** @default {"PLAIN"} */
  readonly mechanism?: SaslMechanism | undefined;
}

/** Sends a request on the connection that is to be authenticated. */
type Send = (key: number, version: number, body: Uint8Array) => Promise<WireReader>;

const SASL_HANDSHAKE = 17;
const SASL_AUTHENTICATE = 36;
const UNSUPPORTED_MECHANISM = 33;
const AUTHENTICATION_FAILED = 58;

const utf8 = new TextEncoder();
const text = new TextDecoder();

/**
 * Authenticates a connection, as its first requests.
 *
 * @param action What to call it in errors.
 * @throws {KafkaError} `SASL_AUTHENTICATION_FAILED`, `UNSUPPORTED_SASL_MECHANISM`, `ILLEGAL_SASL_STATE` where the broker asks for none.
 */
export async function authenticate(send: Send, settings: SaslSettings, action: string): Promise<void> {
  const { username, password, mechanism = "PLAIN" } = settings;
  const handshake = await send(SASL_HANDSHAKE, 1, new WireWriter().string(mechanism).bytes);
  const refused = handshake.int16();
  if (refused !== 0) {
    const error = brokerError(refused, action);
    const offered = handshake.array(() => handshake.string() ?? "").join(", ");
    if (refused === UNSUPPORTED_MECHANISM) error.message += `: ${mechanism} is none of those it knows, ${offered}`;
    throw error;
  }
  const exchange = async (token: Uint8Array): Promise<string> => {
    const answer = await send(SASL_AUTHENTICATE, 0, new WireWriter().sized(token).bytes);
    const code = answer.int16();
    const why = answer.string();
    if (code === 0) return text.decode(answer.sized());
    const error = brokerError(code, action);
    if (why !== null && why !== "") error.message += `: ${why}`;
    throw error;
  };
  if (mechanism === "PLAIN") {
    await exchange(utf8.encode(`\0${username}\0${password}`));
    return;
  }
  const client = new ScramClient(mechanism === "SCRAM-SHA-256" ? "sha256" : "sha512", username, password);
  const challenge = await exchange(utf8.encode(client.first));
  // What it answers to the proof is looked at only where it took it.
  const proof = await sensible(action, () => client.final(challenge));
  const signature = await exchange(utf8.encode(proof));
  await sensible(action, () => client.verify(signature));
}

async function sensible<T>(action: string, step: () => T | Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const message = `Cannot ${action}: ${why}`;
    throw new KafkaError("IO", "SASL_AUTHENTICATION_FAILED", AUTHENTICATION_FAILED, false, message, { cause });
  }
}
