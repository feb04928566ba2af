/** A broker with a port for each way of asking who is there, with and without TLS, and the certificates for it. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Broker, freePorts } from "./broker.ts";

const STORE_PASSWORD = "of-a-test";
/** It starts as quickly as Java can. */
const KEYTOOL = "keytool -J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC";
const ALTERNATIVE_NAMES = "SAN=ip:127.0.0.1,dns:localhost";
const MECHANISMS = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"];
/** After so long it wants to know again who is there, and closes the connection of whoever does not say so. */
export const SESSION_MS = 1500;
/** Whom it knows. */
export const USER = { username: "alice", password: "of alice ö" } as const;

/** See above. */
export interface SecuredBroker {
  readonly broker: Broker;
  /** Addresses by what they ask for. The last knows PLAIN only. */
  readonly plain: string;
  readonly ssl: string;
  readonly saslSsl: string;
  readonly sasl: string;
  /** Of the authority that has signed its certificate, and of another one: PEM, and the file that holds the first. */
  readonly ca: string;
  readonly caFile: string;
  readonly otherCa: string;
}

/** Starts one; `broker.remove()` removes everything. */
export async function startSecured(): Promise<SecuredBroker> {
  const [port, controllerPort, ssl, saslSsl, sasl] = await freePorts(5);
  const places = { PLAINTEXT: port, SSL: ssl, SASL_SSL: saslSsl, SASL_PLAINTEXT: sasl };
  const listeners = Object.entries(places).map(([name, port]) => `${name}://127.0.0.1:${port}`).join(",");
  const login = "org.apache.kafka.common.security";
  const settings: Record<string, string> = {
    "listeners": `${listeners},CONTROLLER://127.0.0.1:${controllerPort}`,
    "advertised.listeners": listeners,
    "listener.security.protocol.map": ["CONTROLLER:PLAINTEXT", ...Object.keys(places).map((name) => `${name}:${name}`)]
      .join(","),
    "ssl.keystore.type": "PKCS12",
    "ssl.keystore.location": "broker.p12",
    "ssl.keystore.password": STORE_PASSWORD,
    "sasl.enabled.mechanisms": MECHANISMS.join(","),
    "listener.name.sasl_plaintext.sasl.enabled.mechanisms": "PLAIN",
    "connections.max.reauth.ms": String(SESSION_MS),
  };
  for (const listener of ["sasl_ssl", "sasl_plaintext"]) {
    const name = `listener.name.${listener}`;
    // A file of properties is Latin-1.
    settings[`${name}.plain.sasl.jaas.config`] = `${login}.plain.PlainLoginModule required user_${USER.username}="${
      USER.password.replace("ö", "\\u00f6")
    }";`;
    for (const mechanism of MECHANISMS.slice(1)) {
      settings[`${name}.${mechanism.toLowerCase()}.sasl.jaas.config`] = `${login}.scram.ScramLoginModule required;`;
    }
  }
  const format = MECHANISMS.slice(1).flatMap((mechanism) => [
    "--add-scram",
    `${mechanism}=[name=${USER.username},password="${USER.password}",iterations=4096]`,
  ]);
  const broker = await Broker.create({ settings, format, ports: [port, controllerPort] });
  try {
    makeCertificates(broker.directory);
    await broker.start();
  } catch (error) {
    await broker.remove();
    throw error;
  }
  const at = (port: number): string => `127.0.0.1:${port}`;
  const caFile = join(broker.directory, "ca.pem");
  return {
    ...{ broker, plain: broker.address, ssl: at(ssl), saslSsl: at(saslSsl), sasl: at(sasl) },
    ...{ ca: readFileSync(caFile, "utf8"), caFile, otherCa: readFileSync(join(broker.directory, "other.pem"), "utf8") },
  };
}

/** `broker.p12` with a certificate that the authority in `ca.pem` has signed; `other.pem` is of one that has not. */
function makeCertificates(directory: string): void {
  const store = (name: string): string => `-keystore ${name}.p12 -storetype PKCS12 -storepass ${STORE_PASSWORD}`;
  const generate = `${KEYTOOL} -genkeypair -keyalg EC -groupname secp256r1 -validity 30`;
  const script = [
    ...["ca", "other"].flatMap((name) => [
      `${generate} -alias ${name} -dname CN=${name} -ext bc:c ${store(name)}`,
      `${KEYTOOL} -exportcert -rfc -alias ${name} ${store(name)} > ${name}.pem`,
    ]),
    `${generate} -alias broker -dname CN=broker -ext ${ALTERNATIVE_NAMES} ${store("broker")}`,
    `${KEYTOOL} -certreq -alias broker ${store("broker")} | ` +
    `${KEYTOOL} -gencert -rfc -alias ca -ext ${ALTERNATIVE_NAMES} ${store("ca")} > broker.pem`,
    `cat broker.pem ca.pem | ${KEYTOOL} -importcert -noprompt -alias broker ${store("broker")}`,
  ].join(" &&\n");
  const { status, stderr } = spawnSync("sh", ["-c", script], { cwd: directory, encoding: "utf8", timeout: 60_000 });
  if (status !== 0) throw new Error(`keytool made no certificates: ${stderr}`);
}
