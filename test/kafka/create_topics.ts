/** Creates topics without starting a Java program for each. */
import { BrokerConnection } from "../../src/kafka/wire/connection.ts";
import { WireWriter } from "../../src/kafka/wire/encoding.ts";
import type { Broker } from "./broker.ts";

const CREATE_TOPICS = 19;

/** Creates one topic, and waits until the broker leads it. */
export async function createTopic(
  broker: Broker,
  topic: string,
  partitions: number,
  settings: Readonly<Record<string, string>> = {},
  replicas: number = 1,
): Promise<void> {
  const reach = { clientId: "test", tls: false, sasl: undefined, timeoutMs: 20_000 };
  const connection = await BrokerConnection.connect("127.0.0.1", broker.port, reach, new AbortController().signal);
  try {
    const body = new WireWriter().int32(1).string(topic).int32(partitions).int16(replicas).int32(0);
    // The records of tests have old timestamps.
    const configs = Object.entries({ "retention.ms": "-1", ...settings });
    body.int32(configs.length);
    for (const [name, value] of configs) body.string(name).string(value);
    const request = [body.int32(20_000).bool(false).bytes];
    const answer = await connection.request(CREATE_TOPICS, 4, request, `create topic ${topic}`);
    answer.int32();
    const [code] = answer.array(() => {
      answer.string();
      const code = answer.int16();
      answer.string();
      return code;
    });
    if (code !== 0) throw new Error(`the broker does not create ${topic}: error ${code}`);
  } finally {
    connection.close();
  }
}
