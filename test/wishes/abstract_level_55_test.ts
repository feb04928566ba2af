/**
 * abstract-level 55 asks for an AbortSignal in iterators. Here everything that waits takes one, rejects with its very reason, and
 * listens to it no longer than it waits.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  BACKPRESSURE,
  type Log,
  type MaybePromise,
  type OpenFileOptions,
  openLog,
  type OpenMode,
  type SignalOptions,
  text,
  typed,
  type Vfs,
  type VfsFile,
} from "../../mod.ts";
import { outcomeOf, take, useDirectory, useLog } from "../helpers.ts";
import { ControlledVfs, useHeldLog } from "../shard/controlled_vfs.ts";

/** A signal that counts who listens to it. */
class Counted {
  readonly controller = new AbortController();
  readonly #listeners = new Set<unknown>();
  most = 0;

  constructor() {
    const { signal } = this;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (type: string, listener: EventListener, options?: AddEventListenerOptions) => {
      this.#listeners.add(listener);
      this.most = Math.max(this.most, this.#listeners.size);
      add(type, listener, options);
    };
    signal.removeEventListener = (type: string, listener: EventListener) => {
      this.#listeners.delete(listener);
      remove(type, listener);
    };
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  get listeners(): number {
    return this.#listeners.size;
  }
}

/** The runtime's file system, and how much was read through it. */
function countingVfs(): { vfs: Vfs; bytesRead: () => number } {
  let bytes = 0;
  const wrap = (file: VfsFile): VfsFile => ({
    read: (into, position) => (bytes += into.length, file.read(into, position)),
    write: (from, position) => file.write(from, position),
    size: () => file.size(),
    truncate: (size) => file.truncate(size),
    sync: () => file.sync(),
    close: () => file.close(),
  });
  class Counting extends ControlledVfs {
    override open(path: string, mode: OpenMode, options?: OpenFileOptions): MaybePromise<VfsFile> {
      const opened = super.open(path, mode, options);
      if (!path.endsWith(".log")) return opened;
      return opened instanceof Promise ? opened.then(wrap) : wrap(opened);
    }
  }
  return { vfs: new Counting(), bytesRead: () => bytes };
}

const first = (iterable: AsyncIterableIterator<unknown>): Promise<unknown> => iterable.next();

/** What waits on a log whose end is published: for records that have not come yet. */
const READERS: Readonly<Record<string, (log: Log, options: SignalOptions) => Promise<unknown>>> = {
  read: (log, options) => first(log.read({ shard: 0, from: "latest", follow: true, ...options })),
  "read, merged": (log, options) => first(log.read({ from: "latest", follow: true, ...options })),
  "read, filtered": (log, options) => first(log.read({ where: { key: "nobody" }, follow: true, ...options })),
  "read, typed": (log, options) => first(typed(log, text()).read({ from: "latest", follow: true, ...options })),
  batches: (log, options) => first(log.batches({ from: "latest", follow: true, ...options })),
  readRaw: (log, options) => first(log.readRaw({ shard: 0, from: "latest", follow: true, ...options })),
  "user().read": (log, options) => first(log.user("nobody").read({ follow: true, ...options })),
  "user().read, the last": (log, options) => first(log.user("nobody").read({ follow: true, last: 5, ...options })),
  toReadableStream: (log, options) =>
    log.toReadableStream({ from: "latest", follow: true, ...options }).getReader().read(),
  toWritableStream: (log, options) => log.toWritableStream(options).getWriter().closed,
};

/** What waits on a log whose disk does not answer and whose buffer is full. */
const WRITERS: Readonly<Record<string, (log: Log, options: SignalOptions) => Promise<unknown>>> = {
  append: (log, options) => log.append({ value: "x".repeat(900) }, options),
  "append, of which the buffer has room": (log, options) => log.append({ value: "" }, options),
  "shard.writable": (log, options) => log.shard(0).writable(options),
  "shard.acknowledged": (log, options) => log.shard(0).acknowledged(0, "disk", options),
  "shard.flush": (log, options) => log.shard(0).flush("disk", options),
  flush: (log, options) => log.flush("disk", options),
  "a write to a stream": (log, options) => log.toWritableStream(options).getWriter().write({ value: "x".repeat(900) }),
};

const reasons = [new Error("stop here"), "only words", { code: 7 }, 0];

describe("a signal, as abstract-level 55 asks for", () => {
  for (const [name, wait] of Object.entries(READERS)) {
    it(`ends ${name} with its reason`, () =>
      useLog({ shards: 2 }, async (log) => {
        for (const shard of log.shards) take(shard, { key: "k", value: "x" });
        await log.flush();
        for (const reason of reasons) {
          const counted = new Counted();
          const waiting = wait(log, { signal: counted.signal });
          assert.equal(await outcomeOf(waiting), "pending");
          counted.controller.abort(reason);
          assert.equal(await waiting.then(() => "no error", (error) => error), reason);
          assert.equal(await wait(log, { signal: counted.signal }).catch((error) => error), reason, "given before");
        }
      }));
  }

  for (const [name, wait] of Object.entries(WRITERS)) {
    it(`ends ${name} with its reason; what was taken stays taken`, () =>
      useHeldLog({ maxBufferPerShard: 4000 }, async (log, gate) => {
        while (log.shard(0).tryAppend({ value: "x".repeat(900) }) !== BACKPRESSURE);
        for (const reason of reasons) {
          const counted = new Counted();
          const waiting = wait(log, { signal: counted.signal });
          assert.equal(await outcomeOf(waiting), "pending");
          counted.controller.abort(reason);
          assert.equal(await waiting.then(() => "no error", (error) => error), reason);
          assert.equal(await wait(log, { signal: counted.signal }).catch((error) => error), reason, "given before");
        }
        gate.open();
        await log.flush();
        const { nextOffset, written } = log.shard(0);
        assert.equal(nextOffset, written);
      }));
  }

  it("given before ends what need not wait", () =>
    useDirectory(async (directory) => {
      const signal = AbortSignal.abort("too late");
      assert.equal(await openLog(directory, { signal }).catch((error) => error), "too late");
      await using log = await openLog(directory);
      await log.append({ value: "x" });
      const calls = [
        log.append({ value: "y" }, { signal }),
        log.get({ offset: 0 }, { signal }),
        log.flush("os", { signal }),
        log.shard(0).flush("os", { signal }),
        log.read({ signal }).next(),
        log.read({ signal, reverse: true }).next(),
        log.read({ signal, last: 1, where: { key: "k" } }).next(),
        log.batches({ signal }).next(),
        log.readRaw({ signal }).next(),
        log.user("k").read({ signal }).next(),
      ];
      for (const call of calls) assert.equal(await call.then(() => "no error", (error) => error), "too late");
      assert.equal(log.shard(0).nextOffset, 1);
    }));

  it("ends a search that finds nothing long before it is through, and so does return", () => {
    const { vfs, bytesRead } = countingVfs();
    return useLog({ vfs, batchBytes: 20_000 }, async (log) => {
      for (let i = 0; i < 20_000; i++) {
        if (log.shard(0).tryAppend({ key: "k", value: "x".repeat(200) }) === BACKPRESSURE) {
          await log.shard(0).writable();
        }
      }
      await log.flush();
      for (const reverse of [false, true]) {
        const options = { where: { key: "nobody" }, reverse };
        const before = bytesRead();
        assert.deepEqual(await log.read(options).next(), { done: true, value: undefined });
        const whole = bytesRead() - before;
        const controller = new AbortController();
        const search = log.read({ ...options, signal: controller.signal }).next();
        controller.abort("enough");
        assert.equal(await search.catch((error) => error), "enough");
        const left = log.read(options);
        const step = left.next();
        await left.return!();
        assert.equal((await step).done, true);
        const both = bytesRead() - before - whole;
        assert.ok(whole > 4_000_000 && both < whole / 2, `${both} bytes were read of ${whole}`);
      }
    });
  });

  it("is listened to by nobody any more after 10,000 calls, and by few in between", () =>
    useLog({ shards: 2, flushIntervalMs: 0 }, async (log) => {
      const counted = new Counted();
      const { signal } = counted;
      await log.append({ key: "k", value: "x" });
      const { shard } = await log.append({ key: "k", value: "y" });
      const calls: readonly (() => Promise<unknown>)[] = [
        () => log.append({ key: "k", value: "x" }, { signal }),
        () => log.get({ shard, offset: 0 }, { signal }),
        () => log.flush("os", { signal }),
        () => log.shard(shard).writable({ signal }),
        () => log.shard(shard).acknowledged(0, "os", { signal }),
        () => log.shard(shard).flush("os", { signal }),
        () => Array.fromAsync(log.read({ signal, limit: 2 })),
        () => Array.fromAsync(log.read({ signal, reverse: true, limit: 2, where: { key: "k" } })),
        () => Array.fromAsync(log.readRaw({ signal, shard, maxBytes: 1 })).then(() => {}),
        async () => {
          for await (const _ of log.read({ signal, follow: true, last: 1 })) break;
        },
        async () => {
          // Left while it waits.
          const waiting = log.read({ signal, follow: true, from: "latest" });
          const step = waiting.next();
          await waiting.return!();
          await step;
        },
        async () => {
          const writer = log.toWritableStream({ signal }).getWriter();
          await writer.close();
        },
        async () => {
          for await (const _ of log.toReadableStream({ signal, limit: 1 }));
        },
      ];
      // The log must stay small, or reading it takes the time.
      const cheap = calls.slice(1);
      for (let i = 0; i < 10_000; i++) await (i % 100 === 0 ? calls[0] : cheap[i % cheap.length])();
      assert.equal(counted.listeners, 0);
      assert.ok(counted.most <= 4, `${counted.most} at once`);
    }));
});
