import type { Peer } from "./peer.ts";

const WRITE_BYTES = 1024 * 1024;

export const sonicBoom: Peer = {
  name: "sonic-boom",
  settings: {
    append: "sync: false, lines of text, minLength 512 KiB, maxWrite 1 MiB; no framing, no checksum",
    synced: "the same with fsync: true",
    read: undefined,
  },
  async open(directory, durability) {
    const { default: SonicBoom } = await import("sonic-boom");
    const sonic = new SonicBoom({
      dest: `${directory}/messages.txt`,
      sync: false,
      minLength: WRITE_BYTES / 2,
      maxWrite: WRITE_BYTES,
      fsync: durability === "disk",
    });
    await new Promise((resolve) => sonic.once("ready", resolve));
    let isClosed = false;
    const end = (): Promise<void> => {
      if (isClosed) return Promise.resolve();
      isClosed = true;
      return new Promise((resolve, reject) => {
        sonic.once("close", () => resolve());
        sonic.once("error", reject);
        sonic.end();
      });
    };
    return {
      async append(value, count) {
        const line = `${new TextDecoder().decode(value)}\n`;
        for (let i = 0; i < count; i++) {
          if (!sonic.write(line)) await new Promise((resolve) => sonic.once("drain", resolve));
        }
        // Its flush would sync in both cases; the end of the stream is the only other moment at which all is written.
        await end();
      },
      close: end,
    };
  },
};
