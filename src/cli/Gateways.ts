/**
 * Which gateway a command talks to, and as whom: said by flags, a context, or the environment.
 * A context that is merely selected counts only where nobody names a gateway: its token goes to no other.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type * as Path from "effect/Path"
import * as Result from "effect/Result"
import type * as Command from "effect/cli/Command"
import type * as Flag from "effect/cli/Flag"
import type { Dialer } from "../client/Client.ts"
import { ConfigError } from "../gateway/config/ConfigError.ts"
import * as Setting from "../gateway/config/Setting.ts"
import type { Trust } from "../transport/TlsTransport.ts"
import { type CommandFailed, mistaken } from "./Complaint.ts"
import * as Contexts from "./Contexts.ts"
import * as Files from "./Files.ts"
import * as Judged from "./Judged.ts"
import * as Target from "./Target.ts"

/** What is said of a gateway, by `context save` too. */
export const about = {
  url: Judged.text("url", "<address>", "the gateway: tcp://, tls://, ws://, wss://, unix: or host:port [LONGLINE_URL]"),
  tokenFile: Judged.text("token-file", "<file>", "file with a token; the token itself is in [LONGLINE_TOKEN]"),
  ca: Judged.text("ca", "<file>", "authorities to trust in place of the well-known ones, PEM"),
  serverName: Judged.text("server-name", "<name>", "the name in the gateway's certificate, if it is not the host's"),
  tlsCert: Judged.text("tls-cert", "<file>", "this side's certificate, PEM, where the gateway asks for one"),
  tlsKey: Judged.text("tls-key", "<file>", "its private key, PEM"),
} satisfies Command.Command.Config

/** The flags that say which gateway, and as whom. */
export const way = {
  ...about,
  context: Judged.text("context", "<name>", "a saved context [LONGLINE_CONTEXT]"),
} satisfies { readonly [name: string]: Flag.Flag<unknown> }

/** The flags of every command that talks to a gateway. */
export const flags = {
  ...way,
  connectTimeout: Judged.withDefault(
    Setting.duration({
      key: "connect-timeout",
      purpose: "how long connecting may take",
      minMs: 1,
      maxMs: 3_600_000,
      fallbackMs: 10_000,
    }),
  ),
} satisfies { readonly [name: string]: Flag.Flag<unknown> }

/** What was given for them. */
export type About = Command.Command.Config.Infer<typeof about>

/** What was given for those that say which gateway. */
export type Way = Command.Command.Config.Infer<typeof way>

/** What was given for all of them. */
export type Given = Command.Command.Config.Infer<typeof flags>

/** A gateway to talk to. */
export interface Gateway {
  /** Its address as `Target.format` writes it. */
  readonly address: string
  /** Where it is and whom to trust there: what `dial` is made of. */
  readonly target: Target.Target
  readonly trust: Trust
  readonly dial: Dialer
  /** A token, or how to read it anew. */
  readonly token?: string | Effect.Effect<string, CommandFailed>
}

type Platform = FileSystem.FileSystem | Path.Path

const defaultUrl = `tcp://127.0.0.1:${Target.defaultPort}`

/** The gateway that was meant. `flag` is what its address was given with. */
export const resolve = (given: Way, flag = "--url"): Effect.Effect<Gateway, CommandFailed | ConfigError, Platform> =>
  Effect.gen(function* () {
    const { context, known } = yield* knownOf(given)
    const url = Option.getOrUndefined(given.url) ?? known.url
    const where = Option.isSome(given.url) ? flag : context
    const target = yield* targetOf(where, url)
    const trust = yield* trustOf(given, known, target)
    const token = yield* tokenOf(given.tokenFile, known.token)
    return {
      address: Target.format(target),
      target,
      trust,
      dial: Target.dialer(target, trust),
      ...(token !== undefined && { token }),
    }
  })

/** Reads an address. `where` is what it was given with. */
export const targetOf = (where: string, url: string): Effect.Effect<Target.Target, ConfigError> =>
  Result.match(Target.parse(url), {
    onSuccess: Effect.succeed,
    onFailure: (allowed) => Effect.fail(new ConfigError({ setting: where, value: url, allowed })),
  })

interface Known {
  /** Who said where the gateway is. */
  readonly context: string
  readonly known: Contexts.Saved
}

/** What is known beside the flags: a context that is named, the environment, or the context that is selected. */
const knownOf = Effect.fnUntraced(function* (given: Way): Effect.fn.Return<Known, CommandFailed, Platform> {
  const url = yield* variable("LONGLINE_URL")
  const token = yield* variable("LONGLINE_TOKEN")
  const byEnvironment = { url: url ?? defaultUrl, ...(token !== undefined && { token }) }
  const name = Option.getOrUndefined(given.context) ?? (yield* variable("LONGLINE_CONTEXT"))
  if (name !== undefined) {
    const where = Option.isSome(given.context) ? "--context" : "LONGLINE_CONTEXT"
    const saved = yield* Contexts.named(yield* Contexts.read, name, where)
    return { context: `the URL of context ${name}`, known: { ...byEnvironment, ...saved } }
  }
  if (Option.isSome(given.url) || url !== undefined) return { context: "LONGLINE_URL", known: byEnvironment }
  const contexts = yield* Contexts.read
  const { selected } = contexts
  if (selected === undefined) return { context: "", known: byEnvironment }
  const saved = yield* Contexts.named(contexts, selected, "the selected context")
  return { context: `the URL of context ${selected}`, known: { ...saved, ...(token !== undefined && { token }) } }
})

const variable = (name: string): Effect.Effect<string | undefined> =>
  Effect.map(Effect.orDie(Config.option(Config.String(name))), (text) =>
    // An empty variable is how a script unsets one.
    Option.getOrUndefined(Option.filter(text, (text) => text !== "")),
  )

/** Checks what is said of certificates. */
export const trustOf = Effect.fnUntraced(function* (
  given: About,
  known: Partial<Contexts.Saved>,
  target: Target.Target,
): Effect.fn.Return<Trust, CommandFailed, FileSystem.FileSystem> {
  for (const [flag, value] of [
    ["--ca", given.ca],
    ["--server-name", given.serverName],
    ["--tls-cert", given.tlsCert],
    ["--tls-key", given.tlsKey],
  ] as const) {
    if (Option.isSome(value) && !Target.isEncrypted(target))
      return yield* mistaken(
        `${flag} must be left out: ${Target.format(target)} is not encrypted (tls:// and wss:// are)`,
      )
  }
  const [cert, key] = [
    Option.getOrUndefined(given.tlsCert) ?? known.tlsCert,
    Option.getOrUndefined(given.tlsKey) ?? known.tlsKey,
  ]
  if ((cert === undefined) !== (key === undefined))
    return yield* mistaken("--tls-cert and --tls-key must be given together")
  const ca = Option.getOrUndefined(given.ca) ?? known.ca
  const servername = Option.getOrUndefined(given.serverName) ?? known.serverName
  return {
    ...(ca !== undefined && { ca: yield* Files.readText("--ca", ca) }),
    ...(cert !== undefined && { cert: yield* Files.readText("--tls-cert", cert) }),
    ...(key !== undefined && { key: yield* Files.readText("--tls-key", key) }),
    ...(servername !== undefined && { servername }),
  }
})

/** A file is read again for every connection: whoever renews the token writes it there. What is no file is read once. */
const tokenOf = Effect.fnUntraced(function* (file: Option.Option<string>, known: string | undefined) {
  if (Option.isNone(file)) return known
  const read = Files.readText("--token-file", file.value)
  const token = yield* read
  const fs = yield* FileSystem.FileSystem
  const isFile = yield* Effect.match(fs.stat(file.value), {
    onSuccess: ({ type }) => type === "File",
    onFailure: () => false,
  })
  return isFile ? Effect.provideService(read, FileSystem.FileSystem, fs) : token
})
