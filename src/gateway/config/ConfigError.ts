/**
 * What can be wrong with a configuration: a value, a key that is not known, a file that is no configuration.
 * Prints nothing: the command line does, one line for each mistake.
 */
import { isArrayNonEmpty, type NonEmptyReadonlyArray } from "effect/Array"
import * as Data from "effect/Data"
import * as Runtime from "effect/Runtime"
import * as Result from "effect/Result"
import * as Shown from "../../codec/Shown.ts"

/** The exit code of a command line, an environment or a file that a person has to correct. */
export const usageExitCode = 2

/**
 * A setting that cannot be used as written.
 *
 * `setting` is where it was written: `--port`, `LONGLINE_PORT` when it came from the environment, or
 * `longline.yaml:3: listen.port` when it came from a file.
 * The process ends with {@link usageExitCode}, and the runtime does not log it a second time.
 */
export class ConfigError extends Data.TaggedError("ConfigError")<{
  readonly setting: string
  readonly value: unknown
  /** Completes the sentence "it must be …". */
  readonly allowed: string
}> {
  override readonly [Runtime.errorExitCode] = usageExitCode
  override readonly [Runtime.errorReported] = false

  override get message(): string {
    return `${this.setting} is ${Shown.value(this.value)}; it must be ${this.allowed}`
  }
}

/** A key of a configuration file that means nothing, with the names that come nearest. */
export class UnknownKey extends Data.TaggedError("UnknownKey")<{
  /** The file, with the line where one is known: `longline.yaml:3`. */
  readonly place: string
  readonly key: string
  readonly nearest: ReadonlyArray<string>
  /** Said when nothing comes near. */
  readonly known: ReadonlyArray<string>
}> {
  override get message(): string {
    const advice =
      this.nearest.length > 0
        ? `did you mean ${this.nearest.join(" or ")}?`
        : `here are known ${Shown.text(this.known.join(", "))}`
    return `${this.place}: unknown key ${this.key}; ${advice}`
  }
}

/** A file that cannot be taken for a configuration at all. */
export class MalformedFile extends Data.TaggedError("MalformedFile")<{
  /** The file, with line and column where they are known: `longline.yaml:3:5`. */
  readonly place: string
  readonly problem: string
}> {
  override get message(): string {
    return `${this.place}: ${this.problem}`
  }
}

/** One thing that a person has to correct. */
export type Mistake = ConfigError | UnknownKey | MalformedFile

/** Everything that is wrong with a configuration, in the order of its reading. */
export type Mistakes = NonEmptyReadonlyArray<Mistake>

/** A configuration that cannot be used. The process ends with {@link usageExitCode}. */
export class InvalidConfig extends Data.TaggedError("InvalidConfig")<{ readonly mistakes: Mistakes }> {
  override readonly [Runtime.errorExitCode] = usageExitCode
  override readonly [Runtime.errorReported] = false

  override get message(): string {
    return this.mistakes.map((mistake) => mistake.message).join("; ")
  }
}

/** Results of the parts of a configuration, in an array or by name, as one result: with the mistakes of all that failed. */
export const collect = <const Parts extends ReadonlyArray<Part> | { readonly [name: string]: Part }>(
  parts: Parts,
): Result.Result<Values<Parts>, Mistakes> => {
  const mistakes = Object.values<Part>(parts).flatMap((part) => (Result.isFailure(part) ? part.failure : []))
  if (isArrayNonEmpty(mistakes)) return Result.fail(mistakes)
  // None failed, and `all` keeps their shape: TypeScript does not see through it while the shape is a parameter.
  const values: Result.Result<unknown, unknown> = Result.all(parts)
  return values as Result.Result<Values<Parts>>
}

type Part = Result.Result<unknown, Mistakes>

type Values<Parts> = { readonly [K in keyof Parts]: Parts[K] extends Result.Result<infer A, Mistakes> ? A : never }
