/**
 * The requests of a consumer group, in versions that every broker from Kafka 2.1 to 4 answers.
 *
 * @module
 */
import type { BrokerConnection } from "./connection.ts";
import { type WireReader, WireWriter } from "./encoding.ts";
import { brokerError } from "./kafka_error.ts";

const OFFSET_COMMIT = 8;
const OFFSET_FETCH = 9;
const FIND_COORDINATOR = 10;
const JOIN_GROUP = 11;
const HEARTBEAT = 12;
const LEAVE_GROUP = 13;
const SYNC_GROUP = 14;
const LIST_GROUPS = 16;

/** What consumers of all clients call their kind of group. */
const CONSUMERS = "consumer";
const NO_EPOCH = -1;

/** A member in one generation of its group. */
export interface GroupPlace {
  readonly group: string;
  readonly generation: number;
  readonly member: string;
}

/** A way of dealing out partitions, and what the member says for it. */
export interface Protocol {
  readonly name: string;
  readonly metadata: Uint8Array;
}

/** What joining a group answers. */
export interface Joined {
  readonly generation: number;
  readonly protocol: string;
  readonly leader: string;
  readonly member: string;
  /** Only for the leader: everybody, with what they say for the chosen protocol. */
  readonly members: readonly { readonly id: string; readonly metadata: Uint8Array }[];
}

/** Which broker coordinates a group. */
export async function requestCoordinator(
  connection: BrokerConnection,
  group: string,
): Promise<{ host: string; port: number }> {
  const action = `find the coordinator of the consumer ${group}`;
  const answer = await connection.request(FIND_COORDINATOR, 1, [new WireWriter().string(group).int8(0).bytes], action);
  answer.int32();
  const code = answer.int16();
  answer.string();
  answer.int32();
  if (code !== 0) throw brokerError(code, action);
  return { host: answer.string() ?? "", port: answer.int32() };
}

/** Joins, and waits until everybody has: up to `rebalanceMs`. */
export async function requestJoin(
  connection: BrokerConnection,
  { group, member }: Pick<GroupPlace, "group" | "member">,
  { sessionMs, rebalanceMs }: { readonly sessionMs: number; readonly rebalanceMs: number },
  protocols: readonly Protocol[],
): Promise<Joined> {
  const action = `join the group of the consumer ${group}`;
  const body = new WireWriter().string(group).int32(sessionMs).int32(rebalanceMs).string(member).string(CONSUMERS);
  body.int32(protocols.length);
  for (const { name, metadata } of protocols) body.string(name).sized(metadata);
  const answer = await connection.request(JOIN_GROUP, 3, [body.bytes], action, connection.timeoutMs + rebalanceMs);
  answer.int32();
  check(answer, action);
  return {
    generation: answer.int32(),
    protocol: answer.string() ?? "",
    leader: answer.string() ?? "",
    member: answer.string() ?? "",
    members: answer.array(() => ({ id: answer.string() ?? "", metadata: answer.sized() })),
  };
}

/** Hands out assignments, where it is the leader, and waits for its own. */
export async function requestSync(
  connection: BrokerConnection,
  place: GroupPlace,
  assignments: ReadonlyMap<string, Uint8Array>,
  rebalanceMs: number,
): Promise<Uint8Array> {
  const action = `get the shards of the consumer ${place.group}`;
  const body = header(place).int32(assignments.size);
  for (const [member, assignment] of assignments) body.string(member).sized(assignment);
  const answer = await connection.request(SYNC_GROUP, 2, [body.bytes], action, connection.timeoutMs + rebalanceMs);
  answer.int32();
  check(answer, action);
  return answer.sized();
}

/** Says that the member is alive. Throws where its generation is over, and where nothing is answered in time. */
export async function requestHeartbeat(
  connection: BrokerConnection,
  place: GroupPlace,
  limitMs: number,
): Promise<void> {
  const action = `keep the shards of the consumer ${place.group}`;
  const limit = Math.min(connection.timeoutMs, limitMs);
  const answer = await connection.request(HEARTBEAT, 2, [header(place).bytes], action, limit);
  answer.int32();
  check(answer, action);
}

/** Leaves: others get its partitions at once. */
export async function requestLeave(
  connection: BrokerConnection,
  { group, member }: Pick<GroupPlace, "group" | "member">,
): Promise<void> {
  const action = `leave the group of the consumer ${group}`;
  const answer = await connection.request(
    LEAVE_GROUP,
    2,
    [new WireWriter().string(group).string(member).bytes],
    action,
  );
  answer.int32();
  check(answer, action);
}

/** Stores next offsets of a topic's partitions, in the name of a generation. */
export async function requestCommit(
  connection: BrokerConnection,
  place: GroupPlace,
  topic: string,
  offsets: ReadonlyMap<number, number>,
): Promise<void> {
  const action = `commit for the consumer ${place.group}`;
  const body = header(place).int32(1).string(topic).int32(offsets.size);
  for (const [partition, offset] of offsets) body.int32(partition).int64(offset).int32(NO_EPOCH).string("");
  const answer = await connection.request(OFFSET_COMMIT, 6, [body.bytes], action);
  answer.int32();
  const codes = answer.array(() => {
    answer.string();
    return answer.array(() => {
      answer.int32();
      return answer.int16();
    });
  }).flat();
  const failed = codes.find((code) => code !== 0);
  if (failed !== undefined) throw brokerError(failed, action);
}

/** Next offsets that a group has stored of a topic's partitions; -1: none. */
export async function requestCommitted(
  connection: BrokerConnection,
  group: string,
  topic: string,
  partitions: number,
): Promise<number[]> {
  const action = `read the offsets of the consumer ${group}`;
  const body = new WireWriter().string(group).int32(1).string(topic).int32(partitions);
  for (let partition = 0; partition < partitions; partition++) body.int32(partition);
  const answer = await connection.request(OFFSET_FETCH, 5, [body.bytes], action);
  answer.int32();
  const committed = new Array<number>(partitions).fill(-1);
  const codes = answer.array(() => {
    answer.string();
    return answer.array(() => {
      const partition = answer.int32();
      const offset = answer.int64();
      answer.int32();
      answer.string();
      if (partition >= 0 && partition < partitions) committed[partition] = offset;
      return answer.int16();
    });
  }).flat();
  codes.push(answer.int16());
  const failed = codes.find((code) => code !== 0);
  if (failed !== undefined) throw brokerError(failed, action);
  return committed;
}

/** Names of the consumer groups that a broker coordinates. */
export async function requestGroups(connection: BrokerConnection): Promise<string[]> {
  const action = "list the consumers";
  const answer = await connection.request(LIST_GROUPS, 2, [], action);
  answer.int32();
  check(answer, action);
  const groups = answer.array(() => ({ name: answer.string() ?? "", type: answer.string() ?? "" }));
  // Offsets that were stored without members belong to a group of no type.
  return groups.filter(({ type }) => type === CONSUMERS || type === "").map(({ name }) => name);
}

function header({ group, generation, member }: GroupPlace): WireWriter {
  return new WireWriter().string(group).int32(generation).string(member);
}

function check(answer: WireReader, action: string): void {
  const code = answer.int16();
  if (code !== 0) throw brokerError(code, action);
}
