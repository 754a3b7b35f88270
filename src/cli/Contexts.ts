/**
 * Where gateways are, saved by name in the user's own configuration directory: URL, token, certificates.
 * The file is its owner's alone (0600), and replaced as a whole, by one command after the other; one that cannot be understood is
 * refused, never replaced, and so is one with tokens that others can read.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Nearest from "../gateway/config/Nearest.ts"
import { type CommandFailed, mistaken } from "./Complaint.ts"
import * as Files from "./Files.ts"

const text = Schema.optionalKey(Schema.String)

/** What is known of one gateway. Paths are absolute. */
export const Saved = Schema.Struct({
  url: Schema.String,
  token: text,
  ca: text,
  serverName: text,
  tlsCert: text,
  tlsKey: text,
})
export type Saved = typeof Saved.Type

/** The file. */
export const Contexts = Schema.Struct({ selected: text, contexts: Schema.Record(Schema.String, Saved) })
export type Contexts = typeof Contexts.Type

/** What a context may be called. */
export const isName = (text: string): boolean => /^[A-Za-z0-9][\w.-]{0,63}$/.test(text)

/** What has to be corrected if it is called otherwise. */
export const allowedName = "1 to 64 letters, digits, dots, dashes and underscores, and begin with a letter or a digit"

type Platform = FileSystem.FileSystem | Path.Path

/** The path of the file; None where there is no home for it. */
const file: Effect.Effect<Option.Option<string>, never, Path.Path> = Effect.gen(function* () {
  const path = yield* Path.Path
  const [config, home] = yield* Effect.orDie(
    Config.all([Config.option(Config.String("XDG_CONFIG_HOME")), Config.option(Config.String("HOME"))]),
  )
  // The specification of these directories: a path that is not absolute does not count.
  return Option.filter(config, path.isAbsolute).pipe(
    Option.orElse(() => Option.map(home, (home) => path.join(home, ".config"))),
    Option.map((base) => path.join(base, "longline", "contexts.json")),
  )
})

const nothing: Contexts = { contexts: {} }

/** Reads the file; none is there before the first context is saved. */
export const read: Effect.Effect<Contexts, CommandFailed, Platform> = Effect.gen(function* () {
  const path = yield* file
  if (Option.isNone(path)) return nothing
  const fs = yield* FileSystem.FileSystem
  const found = yield* Effect.all([fs.readFileString(path.value), fs.stat(path.value)]).pipe(
    Effect.asSome,
    Effect.catchIf(
      ({ reason }) => reason._tag === "NotFound",
      () => Effect.succeedNone,
    ),
    Effect.catch((error) => mistaken(`the contexts cannot be read (${Files.why(error)})`)),
  )
  if (Option.isNone(found)) return nothing
  const [text, { mode }] = found.value
  const contexts = yield* Effect.catch(Schema.decodeEffect(Schema.fromJsonString(Contexts))(text), () =>
    mistaken(`${path.value} does not hold contexts; correct it, or remove it`),
  )
  const hasToken = Object.values(contexts.contexts).some(({ token }) => token !== undefined)
  if (!hasToken || (mode & forOthers) === 0) return contexts
  return yield* mistaken(
    `${path.value} has tokens, and is open to others; make it yours alone (chmod 600), or remove it`,
  )
})

/** Bits of a mode: what the group and everybody else may. A private key that others may read is of no use to ssh, either. */
const forOthers = 0o077

/** For so long a command waits for another one, which takes a few milliseconds. */
const waiting = { schedule: Schedule.spaced("20 millis"), times: 100 }

const isTaken = ({ reason }: PlatformError) => reason._tag === "AlreadyExists"

/**
 * Replaces the file by what becomes of its contexts. What is to replace it has one name, and whoever makes that file has the
 * turn, so that of two commands at once none undoes what the other did.
 */
export const update = Effect.fnUntraced(function* (
  change: (contexts: Contexts) => Effect.Effect<Contexts, CommandFailed>,
) {
  const path = yield* file
  if (Option.isNone(path)) return yield* mistaken("there is no HOME and no XDG_CONFIG_HOME to keep contexts in")
  const fs = yield* FileSystem.FileSystem
  const { dirname } = yield* Path.Path
  const next = `${path.value}.next`
  const write = (contexts: Contexts) => fs.writeFileString(next, `${JSON.stringify(contexts, undefined, 2)}\n`)
  const replace = read.pipe(Effect.flatMap(change), Effect.flatMap(write), Effect.andThen(fs.rename(next, path.value)))
  // Not interrupted, lest it remove what is another's turn already.
  const turn = Effect.uninterruptible(
    Effect.andThen(
      fs.writeFileString(next, "", { mode: 0o600, flag: "wx" }),
      Effect.onError(replace, () => Effect.ignore(fs.remove(next))),
    ),
  )
  yield* fs.makeDirectory(dirname(path.value), { recursive: true, mode: 0o700 }).pipe(
    Effect.andThen(
      Effect.retry(turn, { ...waiting, while: (error) => error._tag === "PlatformError" && isTaken(error) }),
    ),
    Effect.catchTag("PlatformError", (error) =>
      mistaken(
        isTaken(error)
          ? `${next} is in the way; remove it, unless another longline is writing contexts`
          : `the contexts cannot be written (${Files.why(error)})`,
      ),
    ),
  )
})

/** The context of this name. `given` is where the name comes from. */
export const named = ({ contexts }: Contexts, name: string, given: string): Effect.Effect<Saved, CommandFailed> => {
  const saved = Object.hasOwn(contexts, name) ? contexts[name] : undefined
  if (saved !== undefined) return Effect.succeed(saved)
  const names = Object.keys(contexts)
  const nearest = Nearest.of(name, names)
  const advice =
    nearest.length > 0
      ? `did you mean ${nearest.join(" or ")}?`
      : names.length > 0
        ? `there are ${names.join(", ")}`
        : "none is saved yet"
  return mistaken(`${given} is ${JSON.stringify(name)}; it must be a context (${advice})`)
}
