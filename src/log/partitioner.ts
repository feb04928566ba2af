/**
 * Which shard a key belongs to: as Kafka's default partitioner has it, so a log keeps its shards when it moves to a cluster.
 *
 * @module
 */

/** murmur2 with Kafka's seed, as a signed 32-bit integer. */
export function murmur2(bytes: Uint8Array, length: number = bytes.length): number {
  const m = 0x5bd1e995;
  let h = 0x9747b28c ^ length;
  let i = 0;
  for (; i + 4 <= length; i += 4) {
    let k = bytes[i] | (bytes[i + 1] << 8) | (bytes[i + 2] << 16) | (bytes[i + 3] << 24);
    k = Math.imul(k, m);
    k ^= k >>> 24;
    h = Math.imul(h, m) ^ Math.imul(k, m);
  }
  const rest = length - i;
  if (rest > 2) h ^= bytes[i + 2] << 16;
  if (rest > 1) h ^= bytes[i + 1] << 8;
  if (rest > 0) h = Math.imul(h ^ bytes[i], m);
  h ^= h >>> 13;
  h = Math.imul(h, m);
  return h ^ (h >>> 15);
}

/** The shard of a key, from 0 to `shards` - 1. */
export function shardOfKey(bytes: Uint8Array, length: number, shards: number): number {
  return (murmur2(bytes, length) & 0x7fff_ffff) % shards;
}
