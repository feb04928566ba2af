/**
 * A password proved without sending it: SCRAM (RFC 5802, RFC 7677), the client's side, as Kafka speaks it.
 *
 * @module
 */
import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from "node:crypto";

/** No server makes it cheaper to guess a password, and none keeps a client busy for long. */
const FEWEST_ITERATIONS = 4096;
const MOST_ITERATIONS = 1_000_000;
const NONCE_BYTES = 24;
/** No channel binding, in base64. */
const UNBOUND = "biws";

/** One attempt: `first`, then `final` with what the server says to it, then `verify`. */
export class ScramClient {
  readonly #hash: "sha256" | "sha512";
  readonly #password: string;
  readonly #nonce: string;
  /** The first message without its header. */
  readonly #bare: string;
  #serverSignature: Uint8Array | undefined = undefined;

  /** @param nonce Never used twice. */
  constructor(
    hash: "sha256" | "sha512",
    username: string,
    password: string,
    nonce: string = randomBytes(NONCE_BYTES).toString("base64"),
  ) {
    this.#hash = hash;
    this.#password = password;
    this.#nonce = nonce;
    this.#bare = `n=${username.replaceAll("=", "=3D").replaceAll(",", "=2C")},r=${nonce}`;
  }

  /** What the client says first. */
  get first(): string {
    return `n,,${this.#bare}`;
  }

  /**
   * The proof.
   *
   * @throws {Error} where what the server said makes no sense.
   */
  async final(serverFirst: string): Promise<string> {
    const [nonce, salt, count] = ["r", "s", "i"].map((name) => attribute(serverFirst, name));
    if (nonce === undefined || salt === undefined || count === undefined) {
      throw new Error("the broker's answer is none");
    }
    if (!nonce.startsWith(this.#nonce) || nonce.length === this.#nonce.length) {
      throw new Error("the broker's answer belongs to another attempt");
    }
    const iterations = Number(count);
    if (!Number.isInteger(iterations) || iterations < FEWEST_ITERATIONS || iterations > MOST_ITERATIONS) {
      throw new Error(`the broker wants ${count} iterations, not ${FEWEST_ITERATIONS} to ${MOST_ITERATIONS}`);
    }
    const salted = await this.#salted(salt, iterations);
    const withoutProof = `c=${UNBOUND},r=${nonce}`;
    const exchanged = `${this.#bare},${serverFirst},${withoutProof}`;
    const clientKey = this.#hmac(salted, "Client Key");
    const storedKey = createHash(this.#hash).update(clientKey).digest();
    const signature = this.#hmac(storedKey, exchanged);
    const proof = clientKey.map((byte, i) => byte ^ signature[i]);
    this.#serverSignature = this.#hmac(this.#hmac(salted, "Server Key"), exchanged);
    return `${withoutProof},p=${toBase64(proof)}`;
  }

  /**
   * Makes sure that the server knows the password, too.
   *
   * @throws {Error} where it does not.
   */
  verify(serverFinal: string): void {
    const told = fromBase64(attribute(serverFinal, "v") ?? "");
    const expected = this.#serverSignature;
    if (expected !== undefined && told.length === expected.length && timingSafeEqual(told, expected)) return;
    const why = attribute(serverFinal, "e");
    throw new Error(
      why === undefined ? "the broker does not prove that it knows the password" : `the broker says ${why}`,
    );
  }

  #salted(salt: string, iterations: number): Promise<Uint8Array> {
    const bytes = this.#hash === "sha256" ? 32 : 64;
    return new Promise((resolve, reject) => {
      pbkdf2(this.#password, fromBase64(salt), iterations, bytes, this.#hash, (error, key) => {
        if (error === null) resolve(new Uint8Array(key));
        else reject(error);
      });
    });
  }

  #hmac(key: Uint8Array, text: string): Uint8Array {
    return new Uint8Array(createHmac(this.#hash, key).update(text).digest());
  }
}

function attribute(message: string, name: string): string | undefined {
  return message.split(",").find((part) => part.startsWith(`${name}=`))?.slice(2);
}

function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}

function fromBase64(text: string): Uint8Array {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return new Uint8Array(0);
  }
}
