/** Stands between clients and a broker, and loses answers when it is told to. */
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** See above. The broker must advertise {@linkcode LossyProxy.port}. */
export class LossyProxy {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets: Set<Socket>;
  readonly #state: { target: number; isLossy: boolean; requests: number };

  private constructor(
    server: Server,
    sockets: Set<Socket>,
    state: { target: number; isLossy: boolean; requests: number },
  ) {
    this.#server = server;
    this.#sockets = sockets;
    this.#state = state;
    this.port = (server.address() as AddressInfo).port;
  }

  static async create(): Promise<LossyProxy> {
    const state = { target: 0, isLossy: false, requests: 0 };
    const sockets = new Set<Socket>();
    const server = createServer((client) => {
      const broker = connect({ host: "127.0.0.1", port: state.target });
      for (const socket of [client, broker]) {
        sockets.add(socket);
        socket.on("error", () => {});
        socket.on("close", () => {
          sockets.delete(socket);
          client.destroy();
          broker.destroy();
        });
      }
      client.on("data", (data) => {
        if (state.isLossy) state.requests++;
        broker.write(data);
      });
      broker.on("data", (data) => void (state.isLossy || client.write(data)));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new LossyProxy(server, sockets, state);
  }

  /** Where requests go from now on. */
  set target(port: number) {
    this.#state.target = port;
  }

  /** From now on requests arrive, and their answers do not. */
  lose(): void {
    this.#state.isLossy = true;
    this.#state.requests = 0;
  }

  /** How many pieces of requests came while answers were lost. */
  get requests(): number {
    return this.#state.requests;
  }

  /** Hangs up on everybody; whoever connects again gets answers. */
  restore(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#state.isLossy = false;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}
