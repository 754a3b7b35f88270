/**
 * The one error of configuration: which setting, what was written there, what is allowed instead.
 * Prints nothing: the command line does, as one line.
 */
import * as Data from "effect/Data"
import * as Runtime from "effect/Runtime"

/** The exit code of a command line or an environment that a person has to correct. */
export const usageExitCode = 2

/**
 * A setting that cannot be used as written.
 *
 * `setting` is where it was written: `--port`, or `LONGLINE_PORT` when it came from the environment.
 * The process ends with {@link usageExitCode}, and the runtime does not log it a second time.
 */
export class ConfigError extends Data.TaggedError("ConfigError")<{
  readonly setting: string
  readonly value: string
  /** Completes the sentence "it must be …". */
  readonly allowed: string
}> {
  override readonly [Runtime.errorExitCode] = usageExitCode
  override readonly [Runtime.errorReported] = false

  override get message(): string {
    return `${this.setting} is ${JSON.stringify(this.value)}; it must be ${this.allowed}`
  }
}
