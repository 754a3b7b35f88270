/**
 * Where log lines go and how they look: JSON for machines, pretty for people, both on standard output.
 * Writes none itself.
 */
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type { LogLevel } from "effect/LogLevel"
import * as References from "effect/References"

/** Replaces the loggers by the one wanted, from the level wanted. */
export const layer = (options: {
  readonly logFormat: "json" | "pretty"
  readonly logLevel: LogLevel
}): Layer.Layer<never> =>
  Layer.merge(
    Logger.layer([options.logFormat === "json" ? Logger.consoleJson : Logger.consolePretty()]),
    Layer.succeed(References.MinimumLogLevel, options.logLevel),
  )
