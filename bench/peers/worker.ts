/**
 * Measures one peer and BimipLog in turn on the runtime it is started with; prints the outcome as one line of JSON.
 * Arguments: peer, work, directory, messages, pairs.
 *
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import process from "node:process";
import { runtimeVfs } from "../../adapters/runtime.ts";
import { makeValue, timed, VALUE_BYTES } from "../figure.ts";
import { spreadOf } from "../pairs.ts";
import { bimiplog, bimiplogObjects } from "./bimiplog.ts";
import type { Peer } from "./peer.ts";
import { peers } from "./peers.ts";
import type { PeerOutcome, Work } from "./report.ts";

const [name, work, parent, messagesText, pairsText] = process.argv.slice(2) as [string, Work, string, string, string];
const messages = Number(messagesText);
const value = makeValue();

/** Appends to a store of its own, and removes it. */
async function runAppend(peer: Peer): Promise<number> {
  const directory = mkdtempSync(`${parent}/peer-`);
  const store = await peer.open(directory, work === "synced" ? "disk" : "os");
  const seconds = await timed(() => store.append(value, messages));
  await store.close();
  rmSync(directory, { recursive: true });
  return seconds;
}

/** Stores the messages once; answers what reads them. */
async function prepareRead(peer: Peer): Promise<() => Promise<number>> {
  const directory = mkdtempSync(`${parent}/peer-`);
  const store = await peer.open(directory, "os");
  await store.append(value, messages);
  await store.close();
  return async () => {
    const store = await peer.open(directory, "os");
    let bytes = 0;
    const seconds = await timed(async () => {
      bytes = await store.read!();
    });
    await store.close();
    if (bytes !== messages * VALUE_BYTES) throw new Error(`${peer.name} gave back ${bytes} bytes`);
    return seconds;
  };
}

async function prepare(peer: Peer): Promise<() => Promise<number>> {
  return work === "append" || work === "synced" ? () => runAppend(peer) : await prepareRead(peer);
}

const peer = peers.find((peer) => peer.name === name)!;
const sides = [await prepare(work === "read objects" ? bimiplogObjects : bimiplog), await prepare(peer)];
const seconds: [ours: number[], theirs: number[]] = [[], []];
// One pair to warm up; the side that goes first alternates.
for (let i = -1; i < Number(pairsText); i++) {
  for (const side of i % 2 === 0 ? [0, 1] : [1, 0]) {
    const taken = await sides[side]();
    if (i >= 0) seconds[side].push(taken);
  }
}
const outcome: PeerOutcome = {
  peer: name,
  work,
  runtime: runtimeVfs().host.runtime,
  messages,
  pairs: seconds[0].map((ours, i) => ({ ours, theirs: seconds[1][i] })),
  ours: spreadOf(seconds[0].map((taken) => messages / taken)),
  theirs: spreadOf(seconds[1].map((taken) => messages / taken)),
  ratio: spreadOf(seconds[0].map((ours, i) => seconds[1][i] / ours)),
};
console.log(JSON.stringify(outcome));
// What a peer left running must not keep the process.
process.exit(0);
