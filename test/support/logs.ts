/**
 * The log lines of a test, of every level unless it says from which. Keeps them and prints none.
 */
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type { LogLevel } from "effect/LogLevel"
import * as References from "effect/References"

/** One line. */
export interface Line {
  readonly level: string
  readonly message: unknown
  readonly annotations: Readonly<Record<string, unknown>>
}

/** The lines that are written under the layer, as they come. */
export const record = (
  level: LogLevel = "Trace",
): { readonly lines: ReadonlyArray<Line>; readonly layer: Layer.Layer<never> } => {
  const lines: Array<Line> = []
  const keep = Logger.map(
    Logger.formatStructured,
    ({ annotations, level, message }) => void lines.push({ level, message, annotations }),
  )
  return { lines, layer: Layer.merge(Logger.layer([keep]), Layer.succeed(References.MinimumLogLevel, level)) }
}
