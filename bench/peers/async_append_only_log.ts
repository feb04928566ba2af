import { Buffer } from "node:buffer";
import { inGroups, type Peer } from "./peer.ts";

/** The parts used; the package has no types. */
interface OffsetLog {
  append(values: Buffer[], done: (error: Error | null) => void): void;
  onDrain(done: () => void): void;
  stream(options: { offsets: boolean }): { pipe(sink: Sink): void };
  close(done: (error: Error | null) => void): void;
}

interface Sink {
  paused: boolean;
  write(value: Buffer): void;
  end(error?: Error): void;
}

export const asyncAppendOnlyLog: Peer = {
  name: "async-append-only-log",
  settings: {
    append: "arrays of 10,000, blocks of 64 KiB, writeTimeout 1 ms",
    synced: undefined,
    read: "stream without offsets",
  },
  async open(directory) {
    // @ts-ignore: no types.
    const { default: open } = await import("async-append-only-log");
    const log = open(`${directory}/messages.log`, { blockSize: 64 * 1024, writeTimeout: 1 }) as OffsetLog;
    const promised = (start: (done: (error?: Error | null) => void) => void): Promise<void> =>
      new Promise((resolve, reject) => start((error) => error ? reject(error) : resolve()));
    return {
      async append(value, count) {
        const message = Buffer.from(value);
        await inGroups(count, (from, to) => {
          const messages = new Array<Buffer>(to - from).fill(message);
          return promised((done) => log.append(messages, done));
        });
        await promised((done) => log.onDrain(done));
      },
      async read() {
        let bytes = 0;
        await promised((done) =>
          log.stream({ offsets: false }).pipe({
            paused: false,
            write: (value) => void (bytes += value.length),
            end: done,
          })
        );
        return bytes;
      },
      close: () => promised((done) => log.close(done)),
    };
  },
};
