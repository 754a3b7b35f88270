/**
 * Where gateways are, saved by name in the user's own configuration directory: URL, token, certificates.
 * The file is its owner's alone (0600), and replaced as a whole; one that cannot be understood is refused, never replaced.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import { randomUUID } from "node:crypto"
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
  const text = yield* fs.readFileString(path.value).pipe(
    Effect.catchIf(
      ({ reason }) => reason._tag === "NotFound",
      () => Effect.succeed(JSON.stringify(nothing)),
    ),
    Effect.catch((error) => mistaken(`the contexts cannot be read (${Files.why(error)})`)),
  )
  return yield* Effect.catch(Schema.decodeEffect(Schema.fromJsonString(Contexts))(text), () =>
    mistaken(`${path.value} does not hold contexts; correct it, or remove it`),
  )
})

/** Replaces the file. */
export const write = Effect.fnUntraced(function* (contexts: Contexts) {
  const path = yield* file
  if (Option.isNone(path)) return yield* mistaken("there is no HOME and no XDG_CONFIG_HOME to keep contexts in")
  const fs = yield* FileSystem.FileSystem
  const { dirname } = yield* Path.Path
  const beside = `${path.value}.${randomUUID()}`
  const text = `${JSON.stringify(contexts, undefined, 2)}\n`
  yield* fs.makeDirectory(dirname(path.value), { recursive: true, mode: 0o700 }).pipe(
    Effect.andThen(fs.writeFileString(beside, text, { mode: 0o600, flag: "wx" })),
    Effect.andThen(fs.rename(beside, path.value)),
    Effect.catch((error) => mistaken(`the contexts cannot be written (${Files.why(error)})`)),
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
