/**
 * Rows as one Markdown table that reads as plain text too. Computes nothing.
 */
import type { Row } from "./Report.ts"

type Cells = ReadonlyArray<string>

const headings: Cells = [
  "scenario",
  "server",
  "median",
  "ratio",
  "min..max",
  "a second",
  "p50 / p99 / p99.9 / max ms",
  "goal",
  "notes",
]

/** The table, its columns aligned. */
export const render = (rows: ReadonlyArray<Row>): string => aligned(headings, rows.map(cellsOf))

/** Any cells under headings as a Markdown table. */
export const aligned = (headings: Cells, rows: ReadonlyArray<Cells>): string => {
  const widths = headings.map((heading, i) => Math.max(heading.length, ...rows.map((row) => row[i]!.length)))
  const line = (cells: Cells) => `| ${cells.map((cell, i) => cell.padEnd(widths[i]!)).join(" | ")} |`
  return [line(headings), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n")
}

const cellsOf = ({ figure, goals, latency, notes, peer, perSecond, ratio, scenario }: Row): Cells => [
  scenario,
  peer,
  figure === undefined ? "–" : `${digits(figure.median)} ${figure.unit}`,
  ratio === undefined ? "" : `${digits(ratio)}×`,
  figure === undefined ? "" : `${digits(figure.min)}..${digits(figure.max)}`,
  perSecond === undefined ? "" : Math.round(perSecond).toLocaleString("en"),
  latency === undefined
    ? ""
    : [latency.p50, latency.p99, latency.p999, latency.max].map((ms) => ms.toFixed(2)).join(" / "),
  goals.map(({ isReached, text }) => `${text} ${isReached ? "reached" : "MISSED"}`).join(", "),
  notes.join("; "),
]

/** Three digits that count; a dash where nothing was counted. */
export const digits = (value: number): string =>
  !Number.isFinite(value)
    ? "–"
    : Math.abs(value) >= 100
      ? value.toFixed(0)
      : Math.abs(value) >= 10
        ? value.toFixed(1)
        : value.toFixed(2)
