/**
 * Plans the explicit repair of one shard: goes through all of it and says what would be done. Writes nothing. What an opening
 * does by itself, such as cutting off a torn tail, is left to it where nothing else is wrong.
 *
 * @module
 */
import { ANCHOR_NAME, anchorIdentity } from "../anchor/anchor.ts";
import { epochStartIn, STATE_NAME, stateIdentity } from "../anchor/state.ts";
import { readTrims, TRIMS_MISSING, TRIMS_NAME } from "../anchor/trims_file.ts";
import { indexPath, logPath, quarantinePath } from "../segment/names.ts";
import type { Vfs } from "../vfs.ts";
import { analyse } from "./analyse.ts";
import { type Inventory, takeInventory } from "./inventory.ts";
import type { RepairIntent } from "./rebuild_intent.ts";
import { type Misnamed, orderSegments } from "./rebuild_segments.ts";
import { readSmall, slotFileFault } from "./rebuild_slots.ts";
import type { Draft, PlanPlace, RepairFinding, Tail } from "./rebuild_types.ts";
import { type PlanTools, walkShard } from "./rebuild_walk.ts";

/** What is going to be done about one shard. */
export interface ShardPlan {
  readonly place: PlanPlace;
  readonly findings: readonly RepairFinding[];
  /** Segments whose files are written anew. */
  readonly drafts: readonly Draft[];
  /** Copies of bytes that will be overwritten or cut off, as names; from a position to the end of the file. */
  readonly copies: readonly { readonly from: string; readonly position: number; readonly to: string }[];
  readonly intent: RepairIntent;
}

/** Plans the repair of one shard. */
export async function planShard(tools: PlanTools, place: PlanPlace): Promise<ShardPlan> {
  const { vfs } = tools;
  const inventory = await takeInventory(vfs, place.directory, place.logId, place.shard);
  const { end, problem } = await analyse(vfs, inventory, place.instance);
  const names = (await vfs.list(place.directory)).map((entry) => entry.name);
  const planner = new Planner(tools, place, inventory, new Set(names));
  // The analysis found that the files are not this shard's at all.
  if (problem !== undefined && end.segment < 0) planner.refuse(problem.file ?? place.directory, problem.message);
  else await planner.run(problem !== undefined);
  return planner.finish();
}

class Planner {
  readonly #vfs: Vfs;
  readonly #tools: PlanTools;
  readonly #place: PlanPlace;
  readonly #inventory: Inventory;
  /** Names that are taken in the shard's directory. */
  readonly #names: Set<string>;
  #findings: RepairFinding[] = [];
  #moves: [string, string][] = [];
  #copies: { from: string; position: number; to: string }[] = [];
  #drafts: Draft[] = [];
  /** Where the sources of segments that are written anew go. */
  readonly #asides = new Map<Draft, string>();
  /** A tail that is cut off in place. */
  #cut: Tail | undefined = undefined;
  #logStart: number;
  /** Highest epoch of a batch. */
  #epoch = 0;
  /** State and anchor have to say something new. */
  #factsChange = false;
  #hasTrims = false;

  constructor(tools: PlanTools, place: PlanPlace, inventory: Inventory, names: Set<string>) {
    this.#vfs = tools.vfs;
    this.#tools = tools;
    this.#place = place;
    this.#inventory = inventory;
    this.#names = names;
    this.#logStart = inventory.state?.logStart ?? inventory.segments[0]?.base ?? 0;
  }

  /** Nothing can be done by a program, so nothing at all is done. */
  refuse(file: string, what: string): void {
    this.#drafts = [];
    this.#moves = [];
    this.#copies = [];
    this.#findings = [];
    this.#find({ action: "none", file, what, remedy: "only a person can tell where the files belong" });
  }

  async run(isRefused: boolean): Promise<void> {
    const { directory } = this.#place;
    const { state, segments } = this.#inventory;
    const { drafts, misnamed } = await orderSegments(this.#vfs, directory, segments, state?.holes ?? false);
    for (const file of misnamed) this.#rename(file);
    const first = drafts[0]?.base ?? this.#logStart;
    if (state !== undefined && first > this.#logStart && !state.holes) {
      const range = [this.#logStart, first - 1] as const;
      const remedy = `these records are lost; the log begins at offset ${first} from now on`;
      this.#find({ action: "rewrite", file: directory, range, what: "no segment holds these offsets", remedy });
      this.#logStart = first;
      this.#factsChange = true;
    }
    const walk = await walkShard(this.#tools, this.#place, this.#inventory, drafts, this.#logStart, isRefused);
    if (walk.stray !== undefined) {
      return this.refuse(walk.stray.source!.path, "its name is far behind the offset where the segments before it end");
    }
    this.#drafts = walk.drafts;
    this.#epoch = walk.epoch;
    for (const { draft, expected } of walk.overlapping) {
      this.#setAside(draft, `it begins in front of offset ${expected}, where the segment before it ends`);
    }
    for (const draft of this.#drafts) this.#complete(draft);
    await this.#checkState();
    await this.#checkSlots(ANCHOR_NAME);
    await this.#checkTrims();
    this.#takeTail(walk.tail, walk.later);
  }

  finish(): ShardPlan {
    const { state } = this.#inventory;
    const drafts = this.#drafts.filter((draft) => draft.changed);
    const indexes = this.#drafts.filter((draft) => draft.changed || draft.indexDamaged);
    const movesLog = this.#moves.some(([from]) => from.endsWith(".log"));
    const changes = drafts.length > 0 || movesLog || this.#cut !== undefined || this.#factsChange;
    const epoch = this.#newEpoch();
    const facts = {
      epoch,
      epochStart: epochStartIn(state, epoch),
      logStart: this.#logStart,
      holes: state?.holes ?? false,
      hasTrims: this.#hasTrims,
    };
    return {
      place: this.#place,
      findings: [...this.#findings, ...this.#drafts.flatMap((draft) => draft.findings)],
      drafts,
      copies: this.#copies,
      intent: {
        moves: this.#moves,
        rebuilt: drafts.map((draft) => ({ base: draft.base, aside: nameOf(this.#asides.get(draft)) ?? null })),
        cut: this.#cut === undefined ? null : { base: this.#cut.base, position: this.#cut.position },
        indexes: indexes.map((draft) => draft.base),
        facts: changes ? facts : null,
      },
    };
  }

  #rename({ base, bytes, trueBase, isSpare }: Misnamed): void {
    const file = logPath(this.#place.directory, base);
    const what = `its first batch has offset ${trueBase}: it is another segment under a wrong name`;
    const to = isSpare ? this.#quarantine(base, 0) : logPath(this.#place.directory, trueBase);
    this.#moves.push([nameOf(file)!, nameOf(to)!]);
    if (isSpare) {
      const remedy = "that segment is there under its own name, so this file is set aside";
      this.#find({ action: "setAside", file, bytes, what, remedy, keptAside: to });
    } else this.#find({ action: "rename", file, what, remedy: `it is renamed to ${nameOf(to)}` });
  }

  #setAside(draft: Draft, what: string): void {
    const { path: file, bytes } = draft.source!;
    const keptAside = this.#quarantine(draft.base, 0);
    this.#moves.push([nameOf(file)!, nameOf(keptAside)!]);
    this.#find({ action: "setAside", file, bytes, what, remedy: "the file is set aside", keptAside });
  }

  /** Where a draft's source goes, and whether its index has to be made again. */
  #complete(draft: Draft): void {
    if (draft.changed && draft.source !== undefined) {
      const aside = this.#quarantine(draft.base, 0);
      this.#asides.set(draft, aside);
      for (const finding of draft.findings) finding.keptAside = aside;
    } else if (draft.indexDamaged && !this.#isUnfinished(draft)) {
      const file = indexPath(this.#place.directory, draft.base);
      const what = "its rows are not those of the segment";
      this.#find({ action: "rewrite", file, what, remedy: "it is made again from the .log" });
    }
  }

  /** What stands behind the end in the last index of a log that was not closed is no damage: the next opening drops it. */
  #isUnfinished(draft: Draft): boolean {
    const isLast = draft === this.#drafts[this.#drafts.length - 1];
    return isLast && this.#inventory.state?.clean === undefined && !draft.lacksRows;
  }

  /** A tail is taken off only where something else is repaired: by itself it is the next opening's business. */
  #takeTail(tail: Tail | undefined, later: readonly Draft[]): void {
    if (this.#findings.length === 0 && !this.#drafts.some((draft) => draft.changed)) return;
    for (const draft of later) {
      this.#setAside(draft, "it does not continue the segment before it, and nobody was promised its records");
    }
    if (tail === undefined) return;
    const draft = this.#drafts[this.#drafts.length - 1];
    const file = draft.source!.path;
    let keptAside = this.#asides.get(draft);
    if (keptAside === undefined) {
      keptAside = this.#quarantine(tail.base, tail.position);
      this.#copies.push({ from: nameOf(file)!, position: tail.position, to: nameOf(keptAside)! });
      this.#cut = tail;
    }
    const { position, bytes } = tail;
    const what = `a tail that nobody was promised: ${tail.fault}`;
    this.#find({ action: "setAside", file, position, bytes, what, remedy: "it is cut off", keptAside });
  }

  async #checkState(): Promise<void> {
    const { state, anchor, segments } = this.#inventory;
    if (state !== undefined || (segments.length === 0 && anchor === undefined)) {
      return await this.#checkSlots(STATE_NAME);
    }
    this.#factsChange = true;
    this.#find({
      action: "rewrite",
      file: `${this.#place.directory}/${STATE_NAME}`,
      what: this.#names.has(STATE_NAME) ? "neither of its two slots is valid" : "the file is missing",
      remedy: `it is written again with epoch ${this.#newEpoch()} and log start ${this.#logStart}`,
      keptAside: await this.#copyAside(STATE_NAME),
    });
  }

  async #checkTrims(): Promise<void> {
    const file = `${this.#place.directory}/${TRIMS_NAME}`;
    const found = await readTrims(this.#vfs, this.#place.directory, this.#place);
    this.#hasTrims = typeof found === "object";
    if (this.#hasTrims || (found === undefined && !this.#inventory.state?.hasTrims)) return;
    // The state must not say any more that there is one.
    this.#factsChange = true;
    if (typeof found !== "string") {
      const remedy =
        "what was trimmed of users is seen again; to keep it hidden, put the file of a backup there instead";
      return this.#find({ action: "rewrite", file, what: TRIMS_MISSING, remedy });
    }
    const keptAside = this.#freeName(TRIMS_NAME);
    this.#moves.push([TRIMS_NAME, nameOf(keptAside)!]);
    const remedy = "it is set aside: what was trimmed of users is seen again";
    this.#find({ action: "setAside", file, what: found, remedy, keptAside });
  }

  async #checkSlots(name: string): Promise<void> {
    const { directory, logId, shard } = this.#place;
    const file = `${directory}/${name}`;
    const content = await readSmall(this.#vfs, file);
    const identity = name === STATE_NAME ? stateIdentity(logId, shard) : anchorIdentity(logId, shard);
    const what = content === undefined ? undefined : slotFileFault(content, identity);
    if (what === undefined) return;
    const keptAside = await this.#copyAside(name);
    // The slot that is left may be the older one: what it says is found out anew.
    this.#factsChange = true;
    this.#find({ action: "rewrite", file, what, remedy: "it is written again", keptAside });
  }

  /** The bytes of a damaged slot file are kept although they are of no use: nothing is deleted. */
  async #copyAside(name: string): Promise<string | undefined> {
    if (await readSmall(this.#vfs, `${this.#place.directory}/${name}`) === undefined) return undefined;
    const path = this.#freeName(name);
    this.#copies.push({ from: name, position: 0, to: nameOf(path)! });
    return path;
  }

  /** The highest epoch that was ever given out. Without the newest state there may have been one that nobody used. */
  #newEpoch(): number {
    const { state, anchor, isStateSuspect } = this.#inventory;
    const known = Math.max(this.#epoch, state?.epoch ?? 0, anchor?.epoch ?? 0);
    return state === undefined || isStateSuspect ? known + 1 : known;
  }

  #quarantine(base: number, position: number): string {
    return this.#free((attempt) => quarantinePath(this.#place.directory, base, position, attempt));
  }

  #freeName(name: string): string {
    return this.#free((attempt) => `${this.#place.directory}/quarantine-${name}-${attempt}`);
  }

  /** The first path whose name is not taken. */
  #free(path: (attempt: number) => string): string {
    for (let attempt = 0;; attempt++) {
      const name = nameOf(path(attempt))!;
      if (this.#names.has(name)) continue;
      this.#names.add(name);
      return path(attempt);
    }
  }

  #find(finding: Pick<RepairFinding, "action" | "file" | "what" | "remedy"> & Partial<RepairFinding>): void {
    const { shard } = this.#place;
    this.#findings.push({ shard, position: 0, bytes: 0, range: undefined, keptAside: undefined, ...finding });
  }
}

/** The last part of a path. */
function nameOf(path: string | undefined): string | undefined {
  return path?.slice(path.lastIndexOf("/") + 1);
}
