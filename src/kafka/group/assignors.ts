/**
 * How a group deals its partitions out: Kafka's own "range", which every client knows, and one of this log, which moves few.
 *
 * @module
 */
import { assign } from "../../consumers/assignment.ts";
import { WireReader, WireWriter } from "../wire/encoding.ts";

/** As every Kafka client has it. */
export const RANGE = "range";
/** Among members of this log only: even, sticky, and with regard to `shards`. */
export const BALANCED = "bimiplog";

const utf8 = new TextEncoder();
const text = new TextDecoder();

/** What a member says when it joins. */
export interface Subscription {
  readonly topics: readonly string[];
  /** The only partitions it takes; `undefined`: all. */
  readonly accepts: readonly number[] | undefined;
  /** Those it has. */
  readonly owned: readonly number[];
}

/** A member, as the leader sees it. */
export interface Subscriber extends Subscription {
  readonly id: string;
}

/** By topic, partitions. */
export type Assignment = ReadonlyMap<string, readonly number[]>;

/** As Kafka's consumers write it, version 0; what only this log knows stands in the user data. */
export function encodeSubscription({ topics, accepts, owned }: Subscription): Uint8Array {
  const body = new WireWriter().int16(0).int32(topics.length);
  for (const topic of topics) body.string(topic);
  return body.sized(utf8.encode(JSON.stringify({ accepts, owned }))).bytes;
}

/** Reads it, whoever wrote it. */
export function decodeSubscription(bytes: Uint8Array): Subscription {
  const reader = new WireReader(bytes);
  reader.int16();
  const topics = reader.array(() => reader.string() ?? "");
  const { accepts, owned } = extrasOf(reader.sized());
  return { topics, accepts: numbers(accepts), owned: numbers(owned) ?? [] };
}

/** The user data of other clients is theirs. */
function extrasOf(bytes: Uint8Array): { accepts?: unknown; owned?: unknown } {
  try {
    const extras: unknown = JSON.parse(text.decode(bytes));
    return typeof extras === "object" && extras !== null ? extras : {};
  } catch {
    return {};
  }
}

function numbers(value: unknown): number[] | undefined {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item)) ? value as number[] : undefined;
}

/** As Kafka's consumers write it, version 0. */
export function encodeAssignment(assignment: Assignment): Uint8Array {
  const body = new WireWriter().int16(0).int32(assignment.size);
  for (const [topic, partitions] of assignment) {
    body.string(topic).int32(partitions.length);
    for (const partition of partitions) body.int32(partition);
  }
  return body.sized(new Uint8Array(0)).bytes;
}

/** The partitions of one topic in an assignment; none where it is empty. */
export function decodeAssignment(bytes: Uint8Array, topic: string): number[] {
  if (bytes.length === 0) return [];
  const reader = new WireReader(bytes);
  reader.int16();
  const all = reader.array(() => [reader.string() ?? "", reader.array(() => reader.int32())] as const);
  return all.filter(([name]) => name === topic).flatMap(([, partitions]) => partitions);
}

/** Deals out, as the leader of a group has to; `counts` has the partitions of all topics. */
export function dealOut(
  protocol: string,
  subscribers: readonly Subscriber[],
  counts: ReadonlyMap<string, number>,
): Map<string, Map<string, number[]>> {
  const dealt = new Map(subscribers.map(({ id }) => [id, new Map<string, number[]>()]));
  // Every member comes to the same end whatever the order they joined in.
  const sorted = subscribers.toSorted((a, b) => a.id < b.id ? -1 : 1);
  for (const [topic, count] of counts) {
    const members = sorted.filter(({ topics }) => topics.includes(topic));
    if (members.length === 0) continue;
    const owners = protocol === BALANCED ? balanced(members, count) : ranges(members, count);
    for (const [partition, owner] of owners.entries()) {
      if (owner === undefined) continue;
      const own = dealt.get(owner.id)!;
      own.set(topic, [...own.get(topic) ?? [], partition]);
    }
  }
  return dealt;
}

function ranges(members: readonly Subscriber[], count: number): Subscriber[] {
  const each = Math.floor(count / members.length);
  const more = count % members.length;
  return Array.from({ length: count }, (_, partition) => {
    const large = more * (each + 1);
    const at = partition < large
      ? Math.floor(partition / (each + 1))
      : more + Math.floor((partition - large) / Math.max(1, each));
    return members[at];
  });
}

function balanced(members: readonly Subscriber[], count: number): (Subscriber | undefined)[] {
  const candidates = members.map((subscriber) => {
    const accepts = subscriber.accepts === undefined ? undefined : new Set(subscriber.accepts);
    return { subscriber, accepts, isActive: true };
  });
  const owners = Array.from(
    { length: count },
    (_, partition) => candidates.find(({ subscriber }) => subscriber.owned.includes(partition)),
  );
  return assign(owners, candidates).map((candidate) => candidate?.subscriber);
}
