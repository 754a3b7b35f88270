/**
 * `longline context`: saves where gateways are by name, so that a command needs one word for URL, token and certificates.
 * Shows no token.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Record from "effect/Record"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import { ConfigError } from "../gateway/config/ConfigError.ts"
import { mistaken } from "./Complaint.ts"
import * as Contexts from "./Contexts.ts"
import * as Files from "./Files.ts"
import * as Gateways from "./Gateways.ts"
import * as Output from "./Output.ts"
import * as Printing from "./Printing.ts"
import * as Target from "./Target.ts"

const name = Argument.String("name").pipe(Argument.withDescription("the name of the context"))
const { json } = Printing

const save = Command.make("save", { name, about: Gateways.about }, ({ about, name }) =>
  Effect.gen(function* () {
    if (!Contexts.isName(name)) {
      return yield* new ConfigError({ setting: "<name>", value: name, allowed: `of ${Contexts.allowedName}` })
    }
    if (Option.isNone(about.url)) return yield* mistaken("--url must be given: a context is where a gateway is")
    const target = yield* Gateways.targetOf("--url", about.url.value)
    // Files that cannot be read are better known now than when they are needed.
    yield* Gateways.trustOf(about, {}, target)
    const { resolve } = yield* Path.Path
    const given = Record.getSomes({
      token: Option.isSome(about.tokenFile)
        ? Option.some(yield* Files.readText("--token-file", about.tokenFile.value))
        : Option.none<string>(),
      ca: Option.map(about.ca, (path) => resolve(path)),
      serverName: about.serverName,
      tlsCert: Option.map(about.tlsCert, (path) => resolve(path)),
      tlsKey: Option.map(about.tlsKey, (path) => resolve(path)),
    })
    yield* Contexts.update((known) =>
      Effect.succeed({
        selected: name,
        ...known,
        contexts: { ...known.contexts, [name]: { url: Target.format(target), ...given } },
      }),
    )
  }),
).pipe(
  Command.withDescription("Save a gateway by name; the first that is saved is selected."),
  Command.withShortDescription("save a gateway by name"),
  Command.withExamples([
    { command: "longline context save local --url 127.0.0.1:7557", description: "On this machine" },
    {
      command: "longline context save live --url tls://gateway.example:7557 --token-file token",
      description: "With TLS, and the token that the file holds",
    },
  ]),
)

/** A context as it may be seen. */
const shown = ({ selected }: Contexts.Contexts, name: string, { token, ...saved }: Contexts.Saved) => ({
  name,
  selected: name === selected,
  ...saved,
  ...(token !== undefined && { token: "***" }),
})

const list = Command.make("list", { json }, ({ json }) =>
  Effect.gen(function* () {
    const known = yield* Contexts.read
    yield* Output.lines(
      Object.entries(known.contexts)
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, saved]) => {
          if (json) return JSON.stringify(shown(known, name, saved))
          return `${name === known.selected ? "*" : " "} ${name} ${saved.url}`
        }),
    )
  }),
).pipe(
  Command.withDescription("Print the contexts; the selected one has an asterisk."),
  Command.withExamples([{ command: "longline context list", description: "All of them" }]),
)

const show = Command.make("show", { name, json }, ({ json, name }) =>
  Effect.gen(function* () {
    const known = yield* Contexts.read
    const facts = shown(known, name, yield* Contexts.named(known, name, "<name>"))
    yield* json
      ? Output.json(facts)
      : Output.lines(Object.entries(facts).map(([fact, value]) => `${fact}: ${String(value)}`))
  }),
).pipe(
  Command.withDescription("Print one context, without its token."),
  Command.withExamples([{ command: "longline context show live", description: "Where that one is" }]),
)

const select = Command.make("select", { name }, ({ name }) =>
  Contexts.update((known) => Effect.as(Contexts.named(known, name, "<name>"), { ...known, selected: name })),
).pipe(
  Command.withDescription("Talk to this gateway where no other is named."),
  Command.withExamples([{ command: "longline context select live", description: "From now on that one" }]),
)

const remove = Command.make("remove", { name }, ({ name }) =>
  Contexts.update((known) => {
    const { contexts, selected } = known
    return Effect.as(Contexts.named(known, name, "<name>"), {
      ...(selected !== undefined && selected !== name && { selected }),
      contexts: Record.remove(contexts, name),
    })
  }),
).pipe(
  Command.withDescription("Forget a context, with its token."),
  Command.withExamples([{ command: "longline context remove live", description: "That one, token and all" }]),
)

/** `longline context save`, `list`, `show`, `select` and `remove`. */
export const command = Command.make("context").pipe(
  Command.withDescription("Save where gateways are by name: URL, token, certificates."),
  Command.withShortDescription("save gateways by name"),
  Command.withSubcommands([save, list, show, select, remove]),
)
