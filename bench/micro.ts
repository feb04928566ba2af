/**
 * `npm run bench:micro`: what one record and one checksum cost, without a file. With a runtime's name before it, on that runtime:
 * `bun bench/micro.ts`, `deno run -A bench/micro.ts`.
 *
 * @module
 */
import { bench, do_not_optimize, group, run } from "mitata";
import { BatchBuilder } from "../mod.ts";
import { noCodecs } from "../src/batch/codecs.ts";
import { crc32c } from "../src/batch/crc32c.ts";
import { acquireRegion } from "../src/batch/memory_pool.ts";
import { RecordDecoder } from "../src/batch/record_decoder.ts";
import { murmur2 } from "../src/log/partitioner.ts";
import { makeValue } from "./figure.ts";

const RECORDS = 500;
const value = makeValue();

function fill(builder: BatchBuilder, key: string | undefined): Uint8Array {
  for (let i = 0; i < RECORDS; i++) builder.add(key === undefined ? { value } : { key, value });
  return builder.finish();
}

group(`a batch of ${RECORDS} records of 100 bytes`, () => {
  const builder = new BatchBuilder({ maxBytes: 1_000_000 });
  const blob = fill(builder, undefined);
  bench("encode", () => do_not_optimize(fill(builder, undefined)));
  bench("encode, text keys", () => do_not_optimize(fill(builder, "user-42")));
  bench("decode", () => {
    const decoder = new RecordDecoder(blob, 0, noCodecs);
    let bytes = 0;
    while (decoder.next()) bytes += decoder.valueBytes;
    return do_not_optimize(bytes);
  });
});

group("CRC-32C", () => {
  const region = acquireRegion(64 * 1024);
  const heap = new Uint8Array(64 * 1024).fill(97);
  region.bytes.set(heap);
  bench("100 bytes", () => do_not_optimize(crc32c(heap, 0, 100)));
  bench("64 KiB in the pool", () => do_not_optimize(crc32c(region.bytes, 0, 64 * 1024)));
  bench("64 KiB elsewhere", () => do_not_optimize(crc32c(heap)));
});

group("murmur2", () => {
  const key = new TextEncoder().encode("user-42");
  bench("7 bytes", () => do_not_optimize(murmur2(key)));
});

await run();
