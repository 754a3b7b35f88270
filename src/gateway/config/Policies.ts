/**
 * Makes the policies of a configuration file: the default one, and one for each namespace, which inherits from it.
 * Decides nothing by them: `Policy` and the session do.
 */
import { getSuccesses, isArrayNonEmpty } from "effect/Array"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Result from "effect/Result"
import type * as Policy from "../Policy.ts"
import { isName } from "../protocol/Fields.ts"
import { collect, ConfigError, type Mistakes } from "./ConfigError.ts"
import * as ConfigFile from "./ConfigFile.ts"
import * as ConfigText from "./ConfigText.ts"
import * as DataSchema from "./DataSchema.ts"
import * as PolicySettings from "./PolicySettings.ts"
import * as Reading from "./Reading.ts"
import * as TextFile from "./TextFile.ts"

/** The policies in force. */
export interface PolicyTable {
  /** Of names without a namespace, or with one that has no policy of its own. */
  readonly fallback: Policy.Policy
  readonly namespaces: ReadonlyMap<string, Policy.Policy>
}

/** Where each value of a policy came from. */
export type PolicyReadings = Reading.Readings<typeof PolicySettings.policy>

/** The policies, and the readings that they were made of. */
export interface Loaded {
  readonly table: PolicyTable
  readonly readings: {
    readonly fallback: PolicyReadings
    readonly namespaces: ReadonlyMap<string, PolicyReadings>
  }
}

/** The policies as the gateway asks for them. */
export const serviceOf = ({ fallback, namespaces }: PolicyTable): Policy.Policies["Service"] => ({
  of: (name) => {
    const colon = name.indexOf(":")
    return colon === -1 ? fallback : (namespaces.get(name.slice(0, colon)) ?? fallback)
  },
})

/** Reads the policies. With authentication, what the file does not allow has to be granted. */
export const load = (
  file: ConfigFile.ConfigFile,
  { authenticates }: { readonly authenticates: boolean },
): Effect.Effect<Loaded, Mistakes, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const settings = authenticates ? PolicySettings.policyWithAuthentication : PolicySettings.policy
    const readAt = (path: ReadonlyArray<string>) =>
      Effect.result(Reading.readAll(settings, { flags: new Map(), lookup: ConfigFile.lookup(file, path) }))
    const names = Object.keys(ConfigFile.sectionAt(file, ["namespaces"]))
    const fallback = yield* readAt(["policy"])
    const own = yield* Effect.forEach(names, (name) => readAt(["namespaces", name]))
    const read = collect({
      names: checkNames(file, names),
      fallback,
      own: collect(own),
      validators: yield* Effect.result(validatorsOf(getSuccesses([fallback, ...own]))),
    })
    const { validators, ...written } = yield* Effect.fromResult(read)
    const basis = withoutIdleRecovery(written.fallback)
    const inheriting = written.own.map((readings) => withoutIdleRecovery(Reading.inherit(readings, written.fallback)))

    const make = (readings: PolicyReadings) => policyOf(readings, validators.get(readings.schema.value))
    const policies = yield* Effect.fromResult(
      collect({ fallback: make(basis), namespaces: collect(inheriting.map(make)) }),
    )
    return {
      table: {
        fallback: policies.fallback,
        namespaces: new Map(names.map((name, index) => [name, policies.namespaces[index]!])),
      },
      readings: { fallback: basis, namespaces: new Map(names.map((name, index) => [name, inheriting[index]!])) },
    }
  })

const checkNames = (file: ConfigFile.ConfigFile, names: ReadonlyArray<string>): Result.Result<void, Mistakes> => {
  const mistakes = names
    .filter((name) => !isName(name) || name.includes(":") || name.startsWith("$"))
    .map((name) => {
      const setting = `${file.placeOf(["namespaces", name])}: a name in namespaces`
      const allowed =
        "what stands before the colon in a channel's name, and begin with no $: those are the gateway's own"
      return new ConfigError({ setting, value: name, allowed })
    })
  return isArrayNonEmpty(mistakes) ? Result.fail(mistakes) : Result.void
}

const policyOf = (
  readings: PolicyReadings,
  validate: Policy.Policy["validate"],
): Result.Result<Policy.Policy, Mistakes> => {
  const { historySize, recovery } = readings
  if (recovery.value && historySize.value === 0) {
    return Result.fail([Reading.refuse(recovery, "false when history.size is 0: recovery reads the history")])
  }
  return Result.succeed({
    history: { size: readings.historySize.value, ageMs: Duration.toMillis(readings.historyAge.value) },
    recovery: readings.recovery.value,
    presence: readings.presence.value,
    presenceGraceMs: Duration.toMillis(readings.presenceGrace.value),
    maxPresenceMembers: readings.maxPresenceMembers.value,
    slowConsumer: readings.slowConsumer.value,
    maxDataBytes: readings.maxDataBytes.value,
    publishesPerSecond: readings.publishesPerSecond.value,
    maxSubscribers: readings.maxSubscribers.value,
    allow: {
      subscribe: readings.allowSubscribe.value,
      publish: readings.allowPublish.value,
      history: readings.allowHistory.value,
      presence: readings.allowPresence.value,
      serve: readings.allowServe.value,
      request: readings.allowRequest.value,
    },
    ...(validate && { validate }),
  })
}

/** Recovery that nobody asked for ends where there is no history. */
const withoutIdleRecovery = (readings: PolicyReadings): PolicyReadings =>
  readings.historySize.value > 0 || Reading.isWritten(readings.recovery)
    ? readings
    : { ...readings, recovery: { ...readings.recovery, value: false, plain: false } }

/** Compiles each schema once, however many namespaces inherit it. */
const validatorsOf = (all: ReadonlyArray<PolicyReadings>) =>
  Effect.gen(function* () {
    const distinct = [...new Map(all.map(({ schema }) => [schema.value, schema])).values()]
    const validators = collect(yield* Effect.forEach(distinct, (schema) => Effect.result(validatorOf(schema))))
    const compiled = yield* Effect.fromResult(validators)
    return new Map(distinct.map(({ value }, index) => [value, compiled[index]]))
  })

const validatorOf = (
  schema: PolicyReadings["schema"],
): Effect.Effect<Policy.Policy["validate"], Mistakes, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const { value } = schema
    if (value === true) return undefined
    const written = typeof value === "string" ? yield* readSchema({ ...schema, value }) : value
    const refuse = (problem: string): Mistakes => [Reading.refuse(schema, `a JSON Schema (${problem})`)]
    return yield* Effect.fromResult(Result.mapError(DataSchema.compile(written), refuse))
  })

const readSchema = (file: Reading.Reading<string>) =>
  Effect.gen(function* () {
    const text = yield* Effect.mapError(TextFile.read(file), (error): Mistakes => [error])
    const { value } = yield* Effect.fromResult(ConfigText.parse(file.value, text))
    return value
  })
