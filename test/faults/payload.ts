/**
 * Values that tell where they belong: the life of the log that wrote them, the shard, and the place in that life's order.
 * Size and content follow from the three, so any mix-up, cut or stale byte shows.
 */

/** One writer's time from opening a log to its end. */
export interface Place {
  readonly life: number;
  readonly shard: number;
  /** Records that this life put into this shard before. */
  readonly sequence: number;
}

const HEADER_BYTES = 12;

/** The one value that belongs there. */
export function valueAt(life: number, shard: number, sequence: number): Uint8Array {
  const mixed = mix(mix(life * 31 + shard) + sequence);
  const value = new Uint8Array(HEADER_BYTES + sizeOf(mixed));
  const view = new DataView(value.buffer);
  view.setUint32(0, life);
  view.setUint32(4, shard);
  view.setUint32(8, sequence);
  for (let i = HEADER_BYTES; i < value.length; i++) value[i] = mixed + i * 29 + (i >>> 8);
  return value;
}

/** Where a value says it belongs; `undefined` where it is not, byte for byte, the one that does. */
export function placeOf(value: Uint8Array | null): Place | undefined {
  if (value === null || value.length < HEADER_BYTES) return undefined;
  const view = new DataView(value.buffer, value.byteOffset, value.length);
  const place = { life: view.getUint32(0), shard: view.getUint32(4), sequence: view.getUint32(8) };
  const expected = valueAt(place.life, place.shard, place.sequence);
  if (value.length !== expected.length) return undefined;
  for (let i = 0; i < value.length; i++) if (value[i] !== expected[i]) return undefined;
  return place;
}

/** Mostly small; some fill a batch or a segment, and a few are too large for one write in one piece. */
function sizeOf(mixed: number): number {
  const kind = mixed % 100;
  const range = kind < 85 ? 300 : kind < 97 ? 4000 : 90_000;
  return (mixed >>> 8) % range;
}

function mix(number: number): number {
  let mixed = Math.imul(number ^ (number >>> 16), 0x45d9f3b);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x119de1f3);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
