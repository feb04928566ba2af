/** Reads what Kafka's `DumpLogSegments` prints. */

/** A record line. Sizes are in bytes, -1 for null. */
export interface DumpedRecord {
  readonly offset: number;
  /** `CreateTime` or `LogAppendTime`. */
  readonly timestampType: string;
  readonly timestamp: number;
  readonly sequence: number;
  readonly headerKeys: string;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  /** What a control record means: stands in place of its key and value. */
  readonly meaning: string | undefined;
}

/** A batch line and the record lines behind it. */
export interface DumpedBatch {
  readonly fields: ReadonlyMap<string, string>;
  readonly records: DumpedRecord[];
}

/** All about one file. */
export interface DumpedFile {
  readonly path: string;
  readonly batches: DumpedBatch[];
  /** Lines that are neither a batch nor a record. */
  readonly remarks: string[];
}

const DUMPING = /^Dumping (.+)$/;
const STARTING = /^Log starting offset: \d+$/;
const RECORD =
  /^\| offset: (\d+) (CreateTime|LogAppendTime): (-?\d+) keySize: (-?\d+) valueSize: (-?\d+) sequence: (-?\d+) headerKeys: \[(.*?)\]/;
const FIELD = /(\w+): (\S+)/g;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Takes `label` and `size` bytes off the front of `rest`, so that no content can look like a label. */
function take(rest: Uint8Array, label: string, size: number): [piece: Uint8Array | null, rest: Uint8Array] {
  if (size < 0) return [null, rest];
  const start = encoder.encode(label).length;
  if (decoder.decode(rest.subarray(0, start)) !== label) throw new Error(`no "${label}" in: ${decoder.decode(rest)}`);
  return [rest.slice(start, start + size), rest.subarray(start + size)];
}

function parseRecord(line: string): DumpedRecord {
  const match = RECORD.exec(line);
  if (match === null) throw new Error(`not a record: ${line}`);
  const [whole, offset, timestampType, timestamp, keySize, valueSize, sequence, headerKeys] = match;
  const rest = line.slice(whole.length);
  const meaning = rest.startsWith(" endTxnMarker: ") ? rest.trim() : undefined;
  const content = encoder.encode(meaning === undefined ? rest : "");
  const [key, behindKey] = take(content, " key: ", meaning === undefined ? Number(keySize) : -1);
  const [value, behindValue] = take(behindKey, " payload: ", meaning === undefined ? Number(valueSize) : -1);
  if (behindValue.length > 0) throw new Error(`more than a record: ${line}`);
  return {
    offset: Number(offset),
    timestampType,
    timestamp: Number(timestamp),
    sequence: Number(sequence),
    headerKeys,
    key,
    value,
    meaning,
  };
}

/** Sorts the output by file. Keys and values must have no line break in them. */
export function parseDump(output: string): DumpedFile[] {
  const files: DumpedFile[] = [];
  for (const line of output.split("\n")) {
    const file = files.at(-1);
    const path = DUMPING.exec(line)?.[1];
    if (path !== undefined) files.push({ path, batches: [], remarks: [] });
    else if (file === undefined || line === "" || STARTING.test(line)) continue;
    else if (line.startsWith("baseOffset: ")) {
      const fields = new Map([...line.matchAll(FIELD)].map(([, name, value]) => [name, value]));
      file.batches.push({ fields, records: [] });
    } else if (line.startsWith("| ") && file.batches.length > 0) file.batches.at(-1)!.records.push(parseRecord(line));
    else file.remarks.push(line);
  }
  return files;
}
