/** The client against what no real broker does: silence, nonsense, lies about sizes. */
import assert from "node:assert/strict";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { describe, it } from "node:test";
import fc from "fast-check";
import { KafkaError, mirrorToKafka, OffsetMapping } from "../../kafka.ts";
import { openLog } from "../../mod.ts";
import { BrokerConnection } from "../../src/kafka/wire/connection.ts";
import { requestProducers } from "../../src/kafka/wire/describe_producers.ts";
import { WireError, WireReader, WireWriter } from "../../src/kafka/wire/encoding.ts";
import { firstAnswer } from "../../src/kafka/wire/first_answer.ts";
import { brokerError, networkError } from "../../src/kafka/wire/kafka_error.ts";
import { readOnePartition } from "../../src/kafka/wire/one_partition.ts";
import { fails, useDirectory } from "../helpers.ts";

/** A server that does with each piece of data what it is told. */
async function useServer(
  answer: (data: Uint8Array, socket: Socket) => void,
  body: (address: string) => Promise<void>,
): Promise<void> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("data", (data: Uint8Array) => answer(data, socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    await body(`127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  }
}

function mirrorTo(address: string): Promise<void> {
  return useDirectory(async (directory) => {
    const log = await openLog(directory, { topic: "log" });
    try {
      const failure = await fails(
        "IO",
        () => mirrorToKafka(log, { brokers: address, topic: "t", patienceMs: 200, requestTimeoutMs: 150 }),
      );
      assert.ok(failure instanceof KafkaError && failure.kafka === "NETWORK", failure.message);
    } finally {
      await log.close();
    }
  });
}

describe("a broker that", () => {
  const cases: Record<string, (data: Uint8Array, socket: Socket) => void> = {
    "says nothing": () => {},
    "hangs up": (_, socket) => void socket.destroy(),
    "claims an answer of 2 GiB": (_, socket) => void socket.write(Uint8Array.of(0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0)),
    "claims a negative size": (_, socket) => void socket.write(Uint8Array.of(0xff, 0xff, 0xff, 0xff)),
    "is none": (_, socket) => void socket.write("HTTP/1.1 400 Bad Request\r\n\r\n"),
    "answers what nobody asked": (_, socket) => void socket.write(Uint8Array.of(0, 0, 0, 4, 0, 0, 0, 99)),
    "stops in the middle": (_, socket) => void socket.write(Uint8Array.of(0, 0, 0, 50, 0, 0, 0, 0, 1)),
  };
  for (const [what, answer] of Object.entries(cases)) {
    it(`${what} is given up, in time, with an error`, { timeout: 20_000 }, () => useServer(answer, mirrorTo));
  }

  it("says nothing about the partition that it was asked for is told so", () => {
    const noTopic = new WireWriter().int32(0).bytes;
    const noPartition = new WireWriter().int32(1).string("t").int32(0).bytes;
    for (const bytes of [noTopic, noPartition]) {
      const answer = new WireReader(bytes);
      assert.throws(() => readOnePartition(answer, () => answer.int16()), WireError);
    }
    const two = new WireWriter().int32(1).string("t").int32(2).int32(0).int16(7).int32(1).int16(8).bytes;
    const answer = new WireReader(two);
    assert.equal(readOnePartition(answer, () => answer.int16()), 7);
  });

  it("claims more elements than there are bytes makes no memory be taken", () => {
    const bytes = new WireWriter().int32(0x7fffffff).bytes;
    assert.throws(() => new WireReader(bytes).array(() => 0), WireError);
    assert.throws(() => new WireReader(new WireWriter().int32(100).bytes).sized(), WireError);
    assert.throws(() => new WireReader(new WireWriter().int16(100).bytes).string(), WireError);
    assert.throws(() => new WireReader(new Uint8Array(7)).int64(), WireError);
    assert.throws(() => new WireReader(new Uint8Array(8).fill(0x7f)).int64(), WireError);
  });
});

describe("several brokers that are asked", () => {
  const silent = new Promise<string>(() => {});
  const passing = networkError("ask", "it is away");
  const lasting = brokerError(58, "ask");
  const askAll = async (answers: readonly (string | Error | undefined)[]): Promise<[unknown, number]> => {
    let asked = 0;
    const answer = await firstAnswer(answers, 20, (one) => {
      asked++;
      if (one === undefined) return silent;
      return one instanceof Error ? Promise.reject(one) : Promise.resolve(one);
    }).catch((error) => error);
    return [answer, asked];
  };

  it("are asked one after the other: the next where one fails, or says nothing for a while", async () => {
    assert.deepEqual(await askAll(["a", "b"]), ["a", 1]);
    assert.deepEqual(await askAll([passing, "b", "c"]), ["b", 2]);
    assert.deepEqual(await askAll([undefined, passing, undefined, "d", "e"]), ["d", 4]);
    assert.deepEqual(await askAll([lasting, "b"]), ["b", 2]);
  });

  it("fail with what waiting does not cure, where one said so", async () => {
    assert.deepEqual(await askAll([passing]), [passing, 1]);
    assert.deepEqual(await askAll([passing, lasting]), [lasting, 2]);
    assert.deepEqual(await askAll([lasting, passing]), [lasting, 2]);
  });
});

describe("a broker older than Kafka 2.8", () => {
  it("is not asked for producers: it would hang up", () =>
    useServer((_data, socket) => {
      // Its versions: produce and fetch.
      const body =
        new WireWriter().int32(0).int16(0).int32(2).int16(0).int16(0).int16(8).int16(1).int16(0).int16(11).bytes;
      socket.write(new WireWriter().int32(body.length).raw(body).bytes);
    }, async (address) => {
      const reach = { clientId: "test", tls: false, sasl: undefined, timeoutMs: 5000 };
      const port = Number(address.split(":")[1]);
      const connection = await BrokerConnection.connect("127.0.0.1", port, reach, new AbortController().signal);
      const error = await fails("UNSUPPORTED", () => requestProducers(connection, { topic: "t", partition: 0 }));
      assert.match(error.message, /2\.8/);
      connection.close();
    }));
});

describe("numbers and texts on the wire", () => {
  it("come back as they went in flexible versions, whatever tags come along", () => {
    fc.assert(
      fc.property(
        fc.string({ maxLength: 300 }),
        fc.nat(0x0fff_fffe),
        fc.array(fc.nat(9), { maxLength: 300 }),
        (text, n, list) => {
          const written = new WireWriter().compactString(text).count(n).count(list.length);
          for (const one of list) written.int8(one);
          // Two tagged fields, of one byte and of none.
          written.int8(2).int8(0).int8(1).int8(77).int8(1).int8(0).tags().int8(5);
          const reader = new WireReader(written.bytes);
          assert.equal(reader.compactString(), text.toWellFormed());
          // What is no array here claims more than there is.
          if (n > written.bytes.length) assert.throws(() => reader.compactArray(() => 0), WireError);
          else return;
          assert.deepEqual(reader.compactArray(() => reader.int8()), list);
          reader.tags();
          reader.tags();
          assert.equal(reader.int8(), 5);
        },
      ),
    );
    assert.equal(new WireReader(Uint8Array.of(0)).compactString(), null);
    assert.throws(() => new WireReader(new Uint8Array(9).fill(0xff)).compactString(), WireError);
    assert.throws(() => new WireReader(Uint8Array.of(9)).compactString(), WireError);
    assert.throws(() => new WireReader(Uint8Array.of(1, 0, 9)).tags(), WireError);
  });
  it("come back as they went", () => {
    const number64 = fc.maxSafeInteger();
    fc.assert(
      fc.property(fc.string({ maxLength: 50 }), fc.integer(), number64, fc.uint8Array(), (text, n, large, bytes) => {
        const written = new WireWriter().string(text).string(null).int32(n).int64(large).sized(bytes).int8(n).int16(n)
          .bool(true);
        const reader = new WireReader(written.bytes);
        // Half of a pair of surrogates becomes U+FFFD, as in every UTF-8 text.
        assert.equal(reader.string(), text.toWellFormed());
        assert.equal(reader.string(), null);
        assert.deepEqual([reader.int32(), reader.int64()], [n, large]);
        assert.deepEqual(reader.sized(), bytes);
        assert.deepEqual([reader.int8(), reader.int16(), reader.bool()], [(n << 24) >> 24, (n << 16) >> 16, true]);
      }),
    );
  });
});

describe("a mapping of offsets", () => {
  it("does what a list of all pairs does, with gaps anywhere, also where part of it was noted before and not sent", () => {
    const steps = fc.array(fc.record({ skip: fc.nat(3), count: fc.integer({ min: 1, max: 5 }) }), { maxLength: 30 });
    fc.assert(fc.property(steps, fc.nat(30), (steps, again) => {
      const mapping = new OffsetMapping([]);
      const pairs: [number, number][] = [];
      const runs: [number, number][] = [];
      let [source, target] = [0, 0];
      for (const { skip, count } of steps) {
        source += skip;
        runs.push([source, target]);
        mapping.begin(source, target);
        for (let i = 0; i < count; i++) pairs.push([source++, target++]);
      }
      // A crash: some runs are noted again.
      for (const [from, to] of runs.slice(again)) assert.equal(mapping.begin(from, to), false);
      for (const [from, to] of pairs) {
        assert.equal(mapping.toTarget(from), to);
        assert.equal(mapping.toSource(to), from);
      }
      assert.ok(mapping.spans.length <= 1 + steps.filter(({ skip }) => skip > 0).length);
    }));
  });
});
