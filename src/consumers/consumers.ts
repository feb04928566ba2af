/**
 * The consumers of an open log.
 *
 * @module
 */
import type { Codecs } from "../batch/codecs.ts";
import { LogError } from "../errors.ts";
import type { Clock } from "../vfs.ts";
import { GroupConsumer } from "./consumer.ts";
import { Group } from "./group.ts";
import { checkGroup } from "./group_options.ts";
import { lagOf } from "./lag.ts";
import { listCursors } from "./list.ts";
import { type Lease, LocalMember } from "./local_member.ts";
import { deleteConsumer, resetConsumer, type ResetOptions, type ResetShard } from "./manage.ts";
import { type CursorContext, OpenCursor } from "./open_cursor.ts";
import type { ConsumerHandle } from "./handle.ts";
import { RemoteMembers } from "./remote_members.ts";
import type { ClampEvent, Consumer, ConsumerInfo, ConsumerOptions, GroupOptions } from "./types.ts";

/** A consumer that somebody uses, or whose file could not be written. */
interface Entry {
  users: number;
  readonly opening: Promise<{ readonly cursor: OpenCursor; readonly group: Group }>;
}

/** See above. */
export class Consumers {
  readonly #context: CursorContext;
  readonly #clock: Clock;
  readonly #codecs: Codecs;
  /** Found when the log was opened. */
  readonly #clamps: readonly ClampEvent[];
  readonly #entries = new Map<string, Entry>();
  readonly #closing = new Map<string, Promise<void>>();
  readonly #members = new Set<LocalMember>();
  /** What was open here, also where it is closed by now: a consumer that died is behind more and more. */
  readonly #known = new Map<string, OpenCursor>();
  readonly #remote: RemoteMembers;
  #isOver = false;

  constructor(context: CursorContext, clock: Clock, codecs: Codecs, clamps: readonly ClampEvent[]) {
    this.#context = context;
    this.#clock = clock;
    this.#codecs = codecs;
    this.#clamps = clamps;
    this.#remote = new RemoteMembers(context, clock);
  }

  /** A member of the group of this name, in this thread. */
  consumer(name: string, options: ConsumerOptions): Consumer {
    const { from, accepts, leaseMs } = checkGroup(name, options, this.#context.views.length);
    let opened: OpenCursor | undefined;
    const member = new LocalMember(
      () => this.#acquire(name, from, (cursor) => opened = cursor),
      accepts,
      leaseMs,
    );
    this.#members.add(member);
    return new GroupConsumer({
      name,
      membership: member,
      views: () => Promise.resolve(this.#context.views),
      codecs: this.#codecs,
      from,
      clamps: () =>
        opened === undefined ? [] : [...this.#clamps.filter(({ consumer }) => consumer === name), ...opened.clamps],
      onClose: () => {
        this.#members.delete(member);
        return Promise.resolve();
      },
    }, options);
  }

  /** A member of the group of this name, for a worker. */
  handle(name: string, options: GroupOptions): ConsumerHandle {
    const { from, accepts, leaseMs } = checkGroup(name, options, this.#context.views.length);
    return this.#remote.create(name, { from, accepts, leaseMs }, () => this.#acquire(name, from, () => {}));
  }

  /** Every consumer that has stored offsets, by name. */
  async list(): Promise<ConsumerInfo[]> {
    const { infos, problems } = await this.survey();
    if (problems.length > 0) throw problems[0];
    return infos;
  }

  /** The same, and what is wrong with files that cannot be read. */
  async survey(): Promise<{ infos: ConsumerInfo[]; problems: LogError[] }> {
    const infos: ConsumerInfo[] = [];
    const problems: LogError[] = [];
    for (const { cursor, problem } of await listCursors(this.#context, this.#context.views.length)) {
      if (cursor === undefined) {
        problems.push(problem!);
        continue;
      }
      const entry = this.#entries.get(cursor.name);
      const committed = (await entry?.opening.catch(() => undefined))?.cursor.committed ?? cursor.offsets;
      infos.push({ name: cursor.name, ...await lagOf(this.#context.views, committed) });
    }
    return { infos, problems };
  }

  /** How far those are behind that were used in this program, as far as it knows without asking anybody. */
  lags(): { consumer: string; shard: number; committed: number; lag: number }[] {
    return [...this.#known].flatMap(([consumer, { committed }]) =>
      this.#context.views.map(({ id, publication: { earliest, end } }) => {
        const lag = Math.max(0, end.nextOffset - Math.max(committed[id], earliest));
        return { consumer, shard: id, committed: committed[id], lag };
      })
    );
  }

  /** Says anew where a consumer goes on that nobody has open. */
  reset(name: string, options: ResetOptions): Promise<readonly ResetShard[]> {
    this.#known.delete(name);
    return resetConsumer(this.#context, name, options);
  }

  /** Removes a consumer that nobody has open. */
  delete(name: string, apply: boolean): Promise<void> {
    if (apply) this.#known.delete(name);
    return deleteConsumer(this.#context, name, apply);
  }

  /** The log is closed: loops end, commits that were begun are finished. */
  async close(): Promise<void> {
    this.#isOver = true;
    for (const member of this.#members) member.end();
    this.#remote.stop();
    for (const { opening } of this.#entries.values()) {
      const opened = await opening.catch(() => undefined);
      opened?.group.stop();
      await opened?.cursor.close();
    }
    for (const closing of this.#closing.values()) await closing;
  }

  async #acquire(name: string, from: "earliest" | "latest", onOpen: (cursor: OpenCursor) => void): Promise<Lease> {
    let entry = this.#entries.get(name);
    if (entry === undefined) {
      entry = { users: 0, opening: this.#open(name, from) };
      this.#entries.set(name, entry);
    }
    const own = entry;
    own.users++;
    try {
      const { cursor, group } = await own.opening;
      onOpen(cursor);
      return { group, release: () => this.#release(name, own, cursor) };
    } catch (error) {
      if (this.#entries.get(name) === own) this.#entries.delete(name);
      throw error;
    }
  }

  async #open(name: string, from: "earliest" | "latest"): Promise<{ cursor: OpenCursor; group: Group }> {
    await this.#closing.get(name);
    if (this.#isOver) throw new LogError("CLOSED", `Cannot open the consumer ${name}: its log is closed`);
    const cursor = await OpenCursor.open(this.#context, name, from);
    this.#known.set(name, cursor);
    return { cursor, group: new Group(name, cursor, this.#clock) };
  }

  async #release(name: string, entry: Entry, cursor: OpenCursor): Promise<void> {
    // A file that could not be written is not believed again before the log is opened anew.
    if (--entry.users > 0 || cursor.isPoisoned || this.#isOver) return;
    this.#entries.delete(name);
    const closing = cursor.close();
    const settled = closing.catch(() => {}).then(() => {
      if (this.#closing.get(name) === settled) this.#closing.delete(name);
    });
    this.#closing.set(name, settled);
    await closing;
  }
}
