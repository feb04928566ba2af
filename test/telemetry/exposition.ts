/** A strict reader of Prometheus' text exposition format 0.0.4, with the rules that `promtool check metrics` has. */
import assert from "node:assert/strict";

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Family {
  readonly type: string;
  readonly samples: Sample[];
}

const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\]|\\[\\n"])*",?)*)\} (\S+)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\[\\n"])*)"/g;

/** Families by name. Fails where a rule is broken. */
export function parseExposition(text: string): Map<string, Family> {
  assert.ok(text.endsWith("\n"), "the last line ends, too");
  const families = new Map<string, Family>();
  const seen = new Set<string>();
  let name = "";
  let helped = "";
  for (const line of text.slice(0, -1).split("\n")) {
    const help = /^# HELP (\S+) (.+)$/.exec(line);
    const type = /^# TYPE (\S+) (counter|gauge|histogram)$/.exec(line);
    if (help !== null) helped = help[1];
    else if (type !== null) {
      name = type[1];
      assert.equal(name, helped, "HELP stands in front of TYPE");
      assert.ok(!families.has(name), `${name} is declared once`);
      assert.equal(name.endsWith("_total"), type[2] === "counter", `${name}: counters, and only they, end in _total`);
      families.set(name, { type: type[2], samples: [] });
    } else {
      const sample = sampleOf(line);
      assert.ok(!seen.has(line.slice(0, line.lastIndexOf(" "))), `${line} is there once`);
      seen.add(line.slice(0, line.lastIndexOf(" ")));
      const family = families.get(name);
      assert.ok(family !== undefined && sample.name.startsWith(name), `${sample.name} belongs to ${name}`);
      if (family.type !== "histogram") assert.equal(sample.name, name);
      if (family.type === "counter") assert.ok(sample.value >= 0);
      family.samples.push(sample);
    }
  }
  for (const [name, { type, samples }] of families) if (type === "histogram") checkHistogram(name, samples);
  return families;
}

function sampleOf(line: string): Sample {
  const match = SAMPLE.exec(line);
  assert.ok(match !== null, `no sample: ${line}`);
  const labels = Object.fromEntries(
    [...match[2].matchAll(LABEL)].map(([, label, value]) => [
      label,
      value.replace(/\\(.)/g, (_, escaped: string) => escaped === "n" ? "\n" : escaped),
    ]),
  );
  const value = match[3] === "+Inf" ? Infinity : Number(match[3]);
  assert.ok(!Number.isNaN(value), line);
  return { name: match[1], labels, value };
}

/** Bounds rise, counts never fall, the last bucket is +Inf and has as many as `_count`. */
function checkHistogram(name: string, samples: readonly Sample[]): void {
  const series = new Map<string, Sample[]>();
  for (const sample of samples) {
    const { le: _, ...rest } = sample.labels;
    const key = JSON.stringify(rest);
    series.set(key, [...series.get(key) ?? [], sample]);
  }
  for (const own of series.values()) {
    const buckets = own.filter((sample) => sample.name === `${name}_bucket`);
    const bounds = buckets.map(({ labels }) => labels["le"] === "+Inf" ? Infinity : Number(labels["le"]));
    assert.deepEqual(bounds, [...bounds].sort((a, b) => a - b));
    assert.equal(bounds.at(-1), Infinity);
    buckets.reduce((before, { value }) => (assert.ok(value >= before), value), 0);
    const count = own.find((sample) => sample.name === `${name}_count`)!.value;
    assert.equal(buckets.at(-1)!.value, count);
    assert.equal(own.filter((sample) => sample.name === `${name}_sum`).length, 1);
    assert.equal(own.length, buckets.length + 2);
  }
}
