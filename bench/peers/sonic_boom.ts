import type { Peer } from "./peer.ts";

export const sonicBoom: Peer = {
  name: "sonic-boom",
  settings: {
    append: "lines of text, sync: true, minLength 4096, which was its fastest way; no framing, no checksum",
    synced: "the same with fsync: true",
    read: undefined,
  },
  async open(directory, durability) {
    const { default: SonicBoom } = await import("sonic-boom");
    const sonic = new SonicBoom({
      dest: `${directory}/messages.txt`,
      sync: true,
      minLength: 4096,
      fsync: durability === "disk",
    });
    return {
      append(value, count) {
        const line = `${new TextDecoder().decode(value)}\n`;
        for (let i = 0; i < count; i++) sonic.write(line);
        sonic.flushSync();
        return Promise.resolve();
      },
      // Everything is written; the end of a stream with fsync never comes.
      close: () => Promise.resolve(sonic.destroy()),
    };
  },
};
