/**
 * Runs a command: help and version to standard output, each mistake of the person as one line on standard error.
 * Reports nothing else: what fails after the configuration is the business of whoever composes the program.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import * as CliConfig from "effect/cli/CliConfig"
import * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import type * as HelpDoc from "effect/cli/HelpDoc"
import { ConfigError, InvalidConfig, usageExitCode } from "../gateway/config/ConfigError.ts"
import { complain, complainOfAll } from "./Complaint.ts"

/**
 * A command line that does not parse: an unknown flag, a flag without its value or given twice, an argument that nothing
 * takes. At least one mistake.
 */
export class UsageError extends Data.TaggedError("UsageError")<{
  readonly mistakes: ReadonlyArray<CliError.NonShowHelpErrors>
}> {
  override readonly [Runtime.errorExitCode] = usageExitCode
  override readonly [Runtime.errorReported] = false

  override get message(): string {
    return this.mistakes.map((mistake) => mistake.message).join("; ")
  }
}

/**
 * Runs a command with the arguments of the `Stdio` service; succeeds after `--help` and `--version`.
 *
 * A `UsageError`, `ConfigError` or `InvalidConfig` that this fails with has been printed, and makes `runMain` exit with
 * code 2.
 * Every other failure of the command passes through untouched.
 */
export const run = <const Name extends string, Input, ContextInput, E, R>(
  command: Command.Command<Name, Input, ContextInput, E, R>,
  options: { readonly version: string },
): Effect.Effect<void, E | UsageError, R | Command.Environment> =>
  Command.run(command, options).pipe(
    Effect.tapError((error) => {
      if (error instanceof ConfigError) return complain(error.message)
      return error instanceof InvalidConfig ? complainOfAll(error.mistakes) : Effect.void
    }),
    Effect.mapError((error) => {
      if (!CliError.isCliError(error)) return error
      return new UsageError({ mistakes: error._tag === "ShowHelp" ? error.errors : [error] })
    }),
    Effect.provideService(CliOutput.Presenter, presenter),
    Effect.provideService(CliConfig.CliConfig, cliConfig),
  )

/** The library brings its own `--log-level`, a second one in the help, and a wizard: left out. */
const cliConfig = CliConfig.make({ builtIns: [GlobalFlag.Help, GlobalFlag.Version] })

/** The library answers a mistake with the whole help and the mistake below it: here it is a line each, and no help. */
const presenter: CliOutput.Presenter = {
  present: (event) =>
    event._tag === "InvalidInvocation"
      ? Effect.forEach(withoutEchoes(event.errors), (error) => complain(describe(error, event.helpDoc)), {
          discard: true,
        })
      : CliOutput.defaultPresenter.present(event),
}

/** The value behind an unknown flag (`--prot 1`) looks like a command to the library: one mistake, not two. */
const withoutEchoes = (errors: ReadonlyArray<CliError.NonShowHelpErrors>): ReadonlyArray<CliError.NonShowHelpErrors> =>
  errors.some(({ _tag }) => _tag === "UnrecognizedOption")
    ? errors.filter(({ _tag }) => _tag !== "UnknownSubcommand")
    : errors

const describe = (error: CliError.NonShowHelpErrors, help: HelpDoc.HelpDoc): string => {
  switch (error._tag) {
    case "UnrecognizedOption":
      return `unknown flag ${error.option}; ${advice(error, help)}`
    case "InvalidValue":
      return invalid(error)
    case "MissingArgument":
      return `<${error.argument}> must be given`
    case "UnknownSubcommand":
      return `unknown command ${error.subcommand}; ${guess(error.suggestions)}`
    case "UnexpectedArgument":
      return `unexpected argument ${error.arguments.map((argument) => JSON.stringify(argument)).join(" ")}`
    default:
      return error.message
  }
}

const invalid = ({ expected, kind, option, value }: CliError.InvalidValue): string => {
  const name = kind === "flag" ? `--${option}` : `<${option}>`
  if (value === "") return `${name} needs a value: ${expected}`
  // Not a value, but how often there is one.
  if (value.endsWith(" occurrences")) return `${name} has ${value}; it must have ${expected}`
  return `${name} is ${JSON.stringify(value)}; it must be ${expected}`
}

/** The shortest part of a flag's name that is worth a guess. */
const minGuessableLength = 3

/** The library knows typing slips of up to two letters; a part of a name (`--connections`) is as good a hint. */
const advice = ({ option, suggestions }: CliError.UnrecognizedOption, help: HelpDoc.HelpDoc): string => {
  const part = option.replace(/^-+/, "")
  const partly = help.flags.map(({ name }) => `--${name}`).filter((flag) => flag.includes(part))
  const guesses = suggestions.length > 0 ? suggestions : part.length >= minGuessableLength ? partly : []
  return guess(guesses)
}

const guess = (guesses: ReadonlyArray<string>): string =>
  guesses.length > 0 ? `did you mean ${guesses.join(" or ")}?` : "--help lists them all"
