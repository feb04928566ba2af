/**
 * Opens sockets to brokers, encrypted where that is asked for.
 *
 * @module
 */
import { connect as connectPlain, isIP, type Socket } from "node:net";
import { connect as connectTls, type ConnectionOptions } from "node:tls";
import { KafkaError, networkError } from "./kafka_error.ts";

/** How a socket is opened. */
export interface SocketSettings {
  /** Encrypts: `true`, or what `node:tls` is to be told. */
  readonly tls: boolean | ConnectionOptions;
  /** Longest wait until it is open, in milliseconds. */
  readonly timeoutMs: number;
}

/** Failures of the network and of the operating system; others that come up while a connection is being encrypted stay. */
const SYSTEM_ERROR = /^E(?!PROTO$)[A-Z0-9]+$/;

/**
 * Opens one. The signal ends the attempt.
 *
 * @throws {KafkaError} `TLS`, which does not pass, where the certificate is refused or no protocol is common; `NETWORK` else.
 */
export function openSocket(
  host: string,
  port: number,
  { tls, timeoutMs }: SocketSettings,
  signal: AbortSignal,
): Promise<Socket> {
  // An address is no name that a server could have; its certificate is compared with it all the same.
  const named = isIP(host) === 0 ? { servername: host } : {};
  const socket = tls === false
    ? connectPlain({ host, port })
    : connectTls({ ...named, ...(tls === true ? {} : tls), host, port });
  return new Promise<Socket>((resolve, reject) => {
    const action = `connect to ${host}:${port}`;
    let isReached = false;
    const settle = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", giveUp);
    };
    const fail = (error: Error): void => {
      settle();
      // What comes up while it is being destroyed was told already.
      socket.on("error", () => {});
      socket.destroy();
      reject(error);
    };
    const giveUp = (): void => fail(networkError(action, "it was given up"));
    const timer = setTimeout(() => fail(networkError(action, `no connection within ${timeoutMs} ms`)), timeoutMs);
    signal.addEventListener("abort", giveUp);
    socket.once("connect", () => isReached = true);
    socket.once("error", (error: Error & { code?: string }) => {
      fail(tls !== false && isReached ? tlsFailure(action, error) : networkError(action, wordsOf(error), error));
    });
    socket.once("close", () => fail(networkError(action, "the connection was closed")));
    socket.once(tls === false ? "connect" : "secureConnect", () => {
      settle();
      socket.removeAllListeners();
      socket.setNoDelay(true);
      resolve(socket);
    });
  });
}

function tlsFailure(action: string, error: Error & { code?: string }): KafkaError {
  if (SYSTEM_ERROR.test(error.code ?? "")) {
    return networkError(
      action,
      "the connection was closed while it was being encrypted; is that a port for TLS?",
      error,
    );
  }
  const why = `${wordsOf(error)}; see tls, and its ca`;
  return new KafkaError("IO", "TLS", 0, false, `Cannot ${action} with TLS: ${why}`, { cause: error });
}

/** OpenSSL says where in its sources it was, too. */
function wordsOf({ message, code }: Error & { code?: string }): string {
  return /^[0-9A-F]+:error:[^:]*:[^:]*:[^:]*:([^:]+):/.exec(message)?.[1] ?? (message.trim() || code || "refused");
}
