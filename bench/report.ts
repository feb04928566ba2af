/**
 * The outcomes as Markdown tables and as one HTML page with charts.
 *
 * @module
 */
import { chart, type Row } from "./chart.ts";
import type { Figure, Value } from "./figure.ts";
import type { Machine } from "./machine.ts";
import type { MeasuredValue, Outcome, Spread } from "./pairs.ts";

/** Everything one run found. */
export interface Report {
  readonly machine: Machine;
  readonly pairs: number;
  readonly figures: readonly Figure[];
  readonly outcomes: readonly Outcome[];
}

/** What the figure is compared with, or how it is measured. */
export function basisText(figure: Figure): string {
  return "prepare" in figure ? `${sideName(figure)}: ${figure.floor}` : figure.how;
}

function sideName(figure: Figure): string {
  return "prepare" in figure ? figure.sideName ?? "floor" : "";
}

/** Messages a second, in millions. */
export function million(perSecond: number): string {
  return (perSecond / 1e6).toFixed(perSecond < 1e5 ? 4 : 2);
}

/** A number with as many digits as say something. */
export function plain(number: number): string {
  return Math.abs(number) >= 100 ? number.toFixed(0) : number.toFixed(Math.abs(number) >= 1 ? 2 : 3);
}

function withSpread({ low, median, high }: Spread, format: (number: number) => string): string {
  return `${format(median)} (${format(low)}–${format(high)})`;
}

/** The goal of a value; empty where there is none. */
export function valueGoal({ atMost, atLeast }: Value): string {
  if (atMost !== undefined) return `≤ ${atMost}`;
  return atLeast === undefined ? "" : `≥ ${atLeast}`;
}

function valueText({ unit, spread }: MeasuredValue): string {
  return `${withSpread(spread, plain)}${unit === "" ? "" : ` ${unit}`}`;
}

/** An outcome as lines for a terminal. */
export function consoleLines(figure: Figure, outcome: Outcome): string[] {
  const runtime = outcome.runtime.padEnd(14);
  const lines: string[] = [];
  if (outcome.comparison !== undefined && "prepare" in figure) {
    const { messagesPerSecond, floorPerSecond, ratio } = outcome.comparison;
    lines.push(
      `${runtime} ${million(messagesPerSecond.median).padStart(6)} M/s, ${sideName(figure)} ` +
        `${million(floorPerSecond.median).padStart(6)} M/s, ratio ${withSpread(ratio, (n) => n.toFixed(2))}` +
        (figure.goal === undefined ? "" : `, goal ${figure.goal}`),
    );
  }
  for (const value of outcome.values) {
    const goal = valueGoal(value);
    lines.push(`${runtime} ${value.name}: ${valueText(value)}${goal === "" ? "" : `, goal ${goal}`}`);
  }
  return lines;
}

function machineLine({ machine, pairs }: Report): string {
  return `${machine.processor}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.system}; ${machine.fileSystem} on ` +
    `${machine.device}; medians of ${pairs} runs, both sides in turn, with the spread`;
}

function outcomesOf({ outcomes }: Report, figure: Figure): Outcome[] {
  return outcomes.filter((outcome) => outcome.figure === figure.name);
}

function messagesText([outcome]: readonly Outcome[]): string {
  return outcome === undefined ? "nothing measured" : `${outcome.messages.toLocaleString("en")} messages a run`;
}

export function markdownTables(report: Report): string {
  const lines = [machineLine(report), ""];
  for (const figure of report.figures) {
    const outcomes = outcomesOf(report, figure);
    lines.push(`**${figure.title}**, ${basisText(figure)}; ${messagesText(outcomes)}`, "");
    if ("prepare" in figure) {
      lines.push(
        `| runtime | M messages/s | ${sideName(figure)}, M messages/s | ratio | goal |`,
        "|---|---|---|---|---|",
      );
      for (const { runtime, comparison } of outcomes) {
        if (comparison === undefined) continue;
        const { messagesPerSecond, floorPerSecond, ratio } = comparison;
        lines.push(
          `| ${runtime} | ${withSpread(messagesPerSecond, million)} | ${million(floorPerSecond.median)} ` +
            `| ${withSpread(ratio, (n) => n.toFixed(2))} | ${figure.goal ?? ""} |`,
        );
      }
      lines.push("");
    }
    if (figure.values === undefined) continue;
    lines.push(`| value | ${outcomes.map(({ runtime }) => `${runtime} | `).join("")}goal |`);
    lines.push(`|---|${outcomes.map(() => "---|").join("")}---|`);
    for (const [i, value] of figure.values.entries()) {
      const cells = outcomes.map(({ values }) => `${valueText(values[i])} | `).join("");
      lines.push(`| ${value.name} | ${cells}${valueGoal(value)} |`);
    }
    lines.push("");
  }
  return lines.join("\n");
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}

function pairRows(outcomes: readonly Outcome[], name: string): Row[] {
  return outcomes.flatMap(({ runtime, comparison }) =>
    comparison === undefined ? [] : [{
      label: escape(runtime),
      bar: comparison.messagesPerSecond,
      mark: comparison.floorPerSecond.median,
      text: `${million(comparison.messagesPerSecond.median)} M/s, ${
        (comparison.ratio.median * 100).toFixed(0)
      } % of the ${escape(name)}`,
    }]
  );
}

function valueSections(figure: Figure, outcomes: readonly Outcome[]): string {
  return (figure.values ?? []).map((value, i) => {
    const goal = valueGoal(value);
    const rows = outcomes.map(({ runtime, values }) => ({
      label: escape(runtime),
      bar: values[i].spread,
      mark: value.atMost ?? value.atLeast,
      text: escape(valueText(values[i])),
    }));
    return `<h3>${escape(value.name)}${goal === "" ? "" : `, goal (the line): ${goal} ${escape(value.unit)}`}</h3>` +
      chart(rows);
  }).join("");
}

export function htmlPage(report: Report): string {
  const sections = report.figures.map((figure) => {
    const outcomes = outcomesOf(report, figure);
    if (outcomes.length === 0) return "";
    const isPair = "prepare" in figure;
    const goal = isPair && figure.goal !== undefined ? ` Goal: ${figure.goal} of it.` : "";
    return `<section><h2>${escape(figure.title)}</h2><p>${escape(basisText(figure))}${isPair ? " (the line)" : ""}; ${
      messagesText(outcomes)
    }.${goal}</p>` +
      `${isPair ? chart(pairRows(outcomes, sideName(figure))) : ""}${valueSections(figure, outcomes)}</section>`;
  });
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>BimipLog benchmarks</title><style>
:root{color-scheme:light dark;--bar:#2f6fde;--floor:#c2410c}
body{font:16px/1.5 system-ui,sans-serif;max-width:920px;margin:2rem auto;padding:0 1rem}
h2{font-size:1.1rem;margin:2rem 0 .2rem}h3{font-size:.95rem;margin:1rem 0 .2rem}p{margin:.2rem 0 .8rem;opacity:.8}svg{width:100%;height:auto}
text{font-size:14px;fill:currentColor}.bar{fill:var(--bar)}.spread{stroke:currentColor;stroke-width:2;opacity:.6}.floor{stroke:var(--floor);stroke-width:3}
</style><h1>BimipLog benchmarks</h1><p>${escape(machineLine(report))}</p>${sections.join("\n")}</html>
`;
}
