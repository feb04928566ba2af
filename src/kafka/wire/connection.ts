/**
 * One connection to one broker: requests go out in order, answers come back in order, and nothing waits without a limit.
 *
 * @module
 */
import { connect as connectPlain, type Socket } from "node:net";
import { connect as connectTls, type ConnectionOptions } from "node:tls";
import { readI32, writeI32 } from "../../bytes.ts";
import { WireError, WireReader, WireWriter } from "./encoding.ts";
import { brokerError, type KafkaError, networkError } from "./kafka_error.ts";

/** How brokers are reached. */
export interface ConnectionSettings {
  /** Name that brokers see in their logs. */
  readonly clientId: string;
  /** Encrypts: `true`, or what `node:tls` is to be told. */
  readonly tls: boolean | ConnectionOptions;
  /** Name and password, as SASL PLAIN. */
  readonly sasl: { readonly username: string; readonly password: string } | undefined;
  /** Longest wait for a connection and for an answer. */
  readonly timeoutMs: number;
}

/** Largest answer that is taken: a fetch answers one whole batch, however large it is. */
const MAX_ANSWER_BYTES: number = 512 * 1024 * 1024;
const SASL_HANDSHAKE = 17;
const SASL_AUTHENTICATE = 36;

interface Waiting {
  readonly action: string;
  readonly resolve: (answer: WireReader) => void;
  readonly reject: (error: Error) => void;
  readonly timer: ReturnType<typeof setTimeout>;
}

/** See above. Once it has failed it stays closed; whoever needs another one connects again. */
export class BrokerConnection {
  readonly host: string;
  readonly port: number;
  readonly #settings: ConnectionSettings;
  readonly #socket: Socket;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 0;
  #failure: Error | undefined = undefined;
  #pieces: Uint8Array[] = [];
  #received = 0;
  /** Size of the answer that is coming in; -1 while even that is not there. */
  #size = -1;

  private constructor(host: string, port: number, socket: Socket, settings: ConnectionSettings) {
    this.host = host;
    this.port = port;
    this.#socket = socket;
    this.#settings = settings;
    socket.on("data", (data: Uint8Array) => this.#take(data));
    socket.on("error", (error) => this.#fail(networkError(`talk to ${host}:${port}`, error.message, error)));
    socket.on("close", () => this.#fail(networkError(`talk to ${host}:${port}`, "the connection was closed")));
  }

  /** Connects, and authenticates where it is asked for. The signal ends the attempt. */
  static async connect(
    host: string,
    port: number,
    settings: ConnectionSettings,
    signal: AbortSignal,
  ): Promise<BrokerConnection> {
    const { tls, timeoutMs, sasl } = settings;
    const socket = tls === false
      ? connectPlain({ host, port, noDelay: true })
      : connectTls({ servername: host, ...(tls === true ? {} : tls), host, port });
    await new Promise<void>((resolve, reject) => {
      const action = `connect to ${host}:${port}`;
      const giveUp = (): void => fail("it was given up");
      const fail = (why: string, cause?: unknown): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", giveUp);
        socket.destroy();
        reject(networkError(action, why, cause));
      };
      const timer = setTimeout(() => fail(`no connection within ${timeoutMs} ms`), timeoutMs);
      signal.addEventListener("abort", giveUp);
      socket.once("error", (error: Error & { code?: string }) => fail(error.message || error.code || "refused", error));
      socket.once(tls === false ? "connect" : "secureConnect", () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", giveUp);
        resolve();
      });
    });
    socket.removeAllListeners("error");
    const connection = new BrokerConnection(host, port, socket, settings);
    if (signal.aborted) connection.close();
    if (sasl !== undefined) await connection.#authenticate(sasl.username, sasl.password);
    return connection;
  }

  get isOpen(): boolean {
    return this.#failure === undefined;
  }

  /**
   * Sends a request; resolves with its answer.
   *
   * @param parts The body, in pieces that are sent as they are and not changed until the answer is there.
   * @param longerMs So much longer than others may this answer take.
   */
  request(
    key: number,
    version: number,
    parts: readonly Uint8Array[],
    action: string,
    longerMs: number = 0,
  ): Promise<WireReader> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const id = this.#nextId;
    this.#nextId = (id + 1) & 0x7fffffff;
    const header = new WireWriter().int32(0).int16(key).int16(version).int32(id).string(this.#settings.clientId).bytes;
    writeI32(header, 0, parts.reduce((sum, part) => sum + part.length, header.length - 4));
    return new Promise((resolve, reject) => {
      const timeoutMs = this.#settings.timeoutMs + longerMs;
      const late = (): void =>
        this.#fail(networkError(action, `${this.host}:${this.port} gave no answer in ${timeoutMs} ms`));
      this.#waiting.set(id, { action, resolve, reject, timer: setTimeout(late, timeoutMs) });
      this.#socket.cork();
      this.#socket.write(header);
      for (const part of parts) this.#socket.write(part);
      this.#socket.uncork();
    });
  }

  /** Ends it; whoever waits for an answer is told. */
  close(): void {
    this.#fail(networkError(`talk to ${this.host}:${this.port}`, "the connection was closed"));
  }

  async #authenticate(username: string, password: string): Promise<void> {
    const action = `authenticate with ${this.host}:${this.port}`;
    try {
      const handshake = await this.request(SASL_HANDSHAKE, 1, [new WireWriter().string("PLAIN").bytes], action);
      const offered = handshake.int16();
      if (offered !== 0) throw brokerError(offered, action);
      const token = new TextEncoder().encode(`\0${username}\0${password}`);
      const answer = await this.request(SASL_AUTHENTICATE, 0, [new WireWriter().sized(token).bytes], action);
      const code = answer.int16();
      if (code !== 0) throw brokerError(code, action);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  #take(data: Uint8Array): void {
    this.#pieces.push(data);
    this.#received += data.length;
    try {
      while (this.#failure === undefined) {
        if (this.#size < 0) {
          if (this.#received < 4) return;
          this.#size = readI32(this.#cut(4), 0);
          if (this.#size < 4 || this.#size > MAX_ANSWER_BYTES) {
            throw new WireError(`an answer claims ${this.#size} bytes`);
          }
        }
        if (this.#received < this.#size) return;
        const answer = this.#cut(this.#size);
        this.#size = -1;
        const id = readI32(answer, 0);
        const waiting = this.#waiting.get(id);
        if (waiting === undefined) throw new WireError(`an answer to request ${id}, which nobody sent`);
        this.#waiting.delete(id);
        clearTimeout(waiting.timer);
        waiting.resolve(new WireReader(answer.subarray(4)));
      }
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#fail(networkError(`talk to ${this.host}:${this.port}`, `is that a Kafka broker? ${why}`, error));
    }
  }

  /** The first bytes of what was received, in memory of their own where they came in several pieces. */
  #cut(size: number): Uint8Array {
    this.#received -= size;
    const first = this.#pieces[0];
    if (first.length >= size) {
      if (first.length === size) this.#pieces.shift();
      else this.#pieces[0] = first.subarray(size);
      return first.subarray(0, size);
    }
    const whole = new Uint8Array(size);
    let at = 0;
    while (at < size) {
      const piece = this.#pieces[0];
      const taken = Math.min(piece.length, size - at);
      whole.set(piece.subarray(0, taken), at);
      at += taken;
      if (taken === piece.length) this.#pieces.shift();
      else this.#pieces[0] = piece.subarray(taken);
    }
    return whole;
  }

  #fail(error: KafkaError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#socket.on("error", () => {});
    this.#socket.destroy();
    this.#pieces = [];
    for (const { action, reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(networkError(action, error.message.replace(/^Cannot [^:]*: /, ""), error));
    }
    this.#waiting.clear();
  }
}
