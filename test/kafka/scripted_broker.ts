/**
 * Something that speaks as a broker does, with one partition in memory, and fails where it is told: for answers that a real broker gives
 * only now and then.
 */
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { BASE_OFFSET_AT, BASE_SEQUENCE_AT, EPOCH_AT, readHeader } from "../../src/batch/format.ts";
import { readI32, writeI32, writeI64 } from "../../src/bytes.ts";
import { WireReader, WireWriter } from "../../src/kafka/wire/encoding.ts";

/** Requests by name: Kafka's numbers of them. */
export const API = { produce: 0, fetch: 1, listOffsets: 2, metadata: 3, producerId: 22, describeConfigs: 32 } as const;

const OUT_OF_ORDER = 45;

/** See above. The topic's only partition; it is its leader. */
export class ScriptedBroker {
  readonly topic: string;
  /** Batches, with the offsets that they got. */
  readonly batches: Uint8Array[] = [];
  /** By kind of request, error codes that the next ones of it get. */
  readonly failures: Map<number, number[]> = new Map<number, number[]>();
  /** How far the replicas are; the end where it is not said. */
  highWatermark: number | undefined = undefined;
  /** Requests so far, by kind. */
  readonly requests: Map<number, number> = new Map<number, number>();
  #server: Server | undefined = undefined;
  readonly #sockets = new Set<Socket>();
  #nextOffset = 0;
  #producers = 0;
  /** By producer, the next sequence number. One that is not known may begin with any. */
  readonly #sequences = new Map<number, number>();

  constructor(topic: string) {
    this.topic = topic;
  }

  /** Begins to listen; answers the address. */
  async listen(): Promise<string> {
    const server = this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      let received: Uint8Array = new Uint8Array(0);
      socket.on("data", (data: Uint8Array) => {
        const both = new Uint8Array(received.length + data.length);
        both.set(received);
        both.set(data, received.length);
        received = both;
        while (received.length >= 4 && received.length >= 4 + readI32(received, 0)) {
          const size = readI32(received, 0);
          const answer = this.#answer(new WireReader(received.slice(4, 4 + size)));
          received = received.subarray(4 + size);
          const head = new Uint8Array(4);
          writeI32(head, 0, answer.length);
          socket.write(head);
          socket.write(answer);
        }
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return this.address;
  }

  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server!.close(resolve));
  }

  get #port(): number {
    return (this.#server!.address() as AddressInfo).port;
  }

  #answer(request: WireReader): Uint8Array {
    const api = request.int16();
    request.int16();
    const answer = new WireWriter().int32(request.int32());
    request.string();
    this.requests.set(api, (this.requests.get(api) ?? 0) + 1);
    const code = this.failures.get(api)?.shift() ?? 0;
    if (api === API.metadata) return this.#metadata(answer, code);
    if (api === API.producerId) {
      return answer.int32(0).int16(code).int64(code === 0 ? ++this.#producers : -1).int16(0).bytes;
    }
    if (api === API.describeConfigs) return answer.int32(0).int32(0).bytes;
    if (api === API.produce) return this.#produce(request, answer, code);
    if (api === API.listOffsets) return this.#listOffsets(request, answer, code);
    if (api === API.fetch) return this.#fetch(request, answer, code);
    throw new Error(`nobody has taught it request ${api}`);
  }

  #metadata(answer: WireWriter, code: number): Uint8Array {
    answer.int32(0).int32(1).int32(1).string("127.0.0.1").int32(this.#port).string(null).string("scripted").int32(1);
    answer.int32(1).int16(code).string(this.topic).bool(false);
    if (code !== 0) return answer.int32(0).bytes;
    return answer.int32(1).int16(0).int32(0).int32(1).int32(1).int32(1).int32(1).int32(1).bytes;
  }

  #produce(request: WireReader, answer: WireWriter, code: number): Uint8Array {
    request.string();
    request.int16();
    request.int32();
    let base = -1;
    request.array(() => {
      request.string();
      return request.array(() => {
        request.int32();
        const batch = request.sized().slice();
        const { producerId, count } = readHeader(batch, 0);
        const sequence = readI32(batch, BASE_SEQUENCE_AT);
        if (code === 0 && (this.#sequences.get(producerId) ?? sequence) !== sequence) code = OUT_OF_ORDER;
        if (code !== 0) return;
        this.#sequences.set(producerId, sequence + count);
        base = this.#nextOffset;
        writeI64(batch, BASE_OFFSET_AT, base);
        writeI32(batch, EPOCH_AT, 0);
        this.batches.push(batch);
        this.#nextOffset += count;
      });
    });
    answer.int32(1).string(this.topic).int32(1).int32(0).int16(code).int64(base).int64(-1).int64(0);
    return answer.int32(0).bytes;
  }

  #listOffsets(request: WireReader, answer: WireWriter, code: number): Uint8Array {
    request.int32();
    request.int8();
    let offset = -1;
    request.array(() => {
      request.string();
      return request.array(() => {
        request.int32();
        offset = request.int64() === -1 ? this.#nextOffset : 0;
      });
    });
    answer.int32(0).int32(1).string(this.topic).int32(1).int32(0).int16(code).int64(-1);
    return answer.int64(code === 0 ? offset : -1).bytes;
  }

  #fetch(request: WireReader, answer: WireWriter, code: number): Uint8Array {
    for (const _ of [1, 2, 3, 4]) request.int32();
    request.int8();
    request.int32();
    request.int32();
    let from = 0;
    request.array(() => {
      request.string();
      return request.array(() => {
        request.int32();
        request.int32();
        from = request.int64();
        request.int64();
        request.int32();
      });
    });
    const end = this.highWatermark ?? this.#nextOffset;
    const found = code === 0
      ? this.batches.filter((batch) => {
        const { baseOffset, lastOffset } = readHeader(batch, 0);
        return lastOffset >= from && baseOffset < end;
      })
      : [];
    const bytes = new Uint8Array(found.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const batch of found) {
      bytes.set(batch, at);
      at += batch.length;
    }
    answer.int32(0).int16(0).int32(0).int32(1).string(this.topic).int32(1).int32(0).int16(code);
    return answer.int64(end).int64(end).int64(0).int32(0).int32(-1).sized(bytes).bytes;
  }
}
