/**
 * One connection to one broker: requests go out in order, answers come back in order, and nothing waits without a limit.
 *
 * @module
 */
import type { Socket } from "node:net";
import { readI32, writeI32 } from "../../bytes.ts";
import { WireError, WireReader, WireWriter } from "./encoding.ts";
import { KafkaError, networkError } from "./kafka_error.ts";
import { authenticate, type SaslSettings } from "./sasl.ts";
import { openSocket, type SocketSettings } from "./socket.ts";

/** How brokers are reached. */
export interface ConnectionSettings extends SocketSettings {
  /** Name that brokers see in their logs. */
  readonly clientId: string;
  /** Who is there, where the broker asks for it. */
  readonly sasl: SaslSettings | undefined;
  /** Longest wait for a connection and for an answer, in milliseconds. */
  readonly timeoutMs: number;
}

/** Largest answer that is taken: a fetch answers one whole batch, however large it is. */
const MAX_ANSWER_BYTES: number = 512 * 1024 * 1024;
/** The first three bytes of what TLS says where it is not understood, in all its versions. */
const [FIRST_ALERT, LAST_ALERT] = [0x150300, 0x150304];

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
  #hasAnswered = false;
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
    socket.on("close", () => this.#fail(networkError(`talk to ${host}:${port}`, this.#whyClosed)));
  }

  /** Connects, and authenticates where it is asked for. The signal ends the attempt. */
  static async connect(
    host: string,
    port: number,
    settings: ConnectionSettings,
    signal: AbortSignal,
  ): Promise<BrokerConnection> {
    const socket = await openSocket(host, port, settings, signal);
    const connection = new BrokerConnection(host, port, socket, settings);
    if (signal.aborted) connection.close();
    if (settings.sasl !== undefined) await connection.#authenticate(settings.sasl);
    return connection;
  }

  /** Longest wait for an answer, where nothing else is said, in milliseconds. */
  get timeoutMs(): number {
    return this.#settings.timeoutMs;
  }

  get isOpen(): boolean {
    return this.#failure === undefined;
  }

  /**
   * Sends a request; resolves with its answer.
   *
   * @param parts The body, in pieces that are sent as they are and not changed until the answer is there.
   * @param limitMs Longest wait for this answer, in milliseconds; after it the connection is closed.
   */
  request(
    key: number,
    version: number,
    parts: readonly Uint8Array[],
    action: string,
    limitMs: number = this.#settings.timeoutMs,
  ): Promise<WireReader> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const id = this.#nextId;
    this.#nextId = (id + 1) & 0x7fffffff;
    const header = new WireWriter().int32(0).int16(key).int16(version).int32(id).string(this.#settings.clientId).bytes;
    writeI32(header, 0, parts.reduce((sum, part) => sum + part.length, header.length - 4));
    return new Promise((resolve, reject) => {
      const late = (): void =>
        this.#fail(networkError(action, `${this.host}:${this.port} gave no answer in ${limitMs} ms`));
      this.#waiting.set(id, { action, resolve, reject, timer: setTimeout(late, limitMs) });
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

  async #authenticate(settings: SaslSettings): Promise<void> {
    const action = `authenticate with ${this.host}:${this.port}`;
    try {
      await authenticate((key, version, body) => this.request(key, version, [body], action), settings, action);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Brokers close a connection without a word where it is not what they expect. */
  get #whyClosed(): string {
    const { tls, sasl } = this.#settings;
    const missing = [...(tls === false ? ["TLS (tls)"] : []), ...(sasl === undefined ? ["a password (sasl)"] : [])];
    if (this.#hasAnswered || missing.length === 0) return "the connection was closed";
    return `the connection was closed before anything was answered; does the broker ask for ${missing.join(" or ")}?`;
  }

  #take(data: Uint8Array): void {
    // Some runtimes give a Buffer, whose `slice` copies nothing: records would hand it on.
    this.#pieces.push(new Uint8Array(data.buffer, data.byteOffset, data.length));
    this.#received += data.length;
    try {
      while (this.#failure === undefined) {
        if (this.#size < 0) {
          if (this.#received < 4) return;
          this.#size = readI32(this.#cut(4), 0);
          const start = this.#size >>> 8;
          if (!this.#hasAnswered && start >= FIRST_ALERT && start <= LAST_ALERT) {
            const message = `Cannot talk to ${this.host}:${this.port}: that port speaks TLS; see tls (--tls)`;
            throw new KafkaError("IO", "TLS", 0, false, message);
          }
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
        this.#hasAnswered = true;
        waiting.resolve(new WireReader(answer.subarray(4)));
      }
    } catch (error) {
      if (error instanceof KafkaError) return this.#fail(error);
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
      reject(error.passes ? networkError(action, error.message.replace(/^Cannot [^:]*: /, ""), error) : error);
    }
    this.#waiting.clear();
  }
}
