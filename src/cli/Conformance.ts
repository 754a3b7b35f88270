/**
 * `longline conformance`: holds somebody's server to the protocol by being a strict client, or somebody's client by being a
 * strict server (docs/conformance.md). Listens on loopback only, and for one client.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import { randomBytes } from "node:crypto"
import * as ClientCheck from "../conformance/ClientCheck.ts"
import * as ServerRules from "../conformance/ServerRules.ts"
import * as Verdict from "../conformance/Verdict.ts"
import * as Setting from "../gateway/config/Setting.ts"
import * as TcpTransport from "../transport/TcpTransport.ts"
import { formatAddress } from "../transport/Transport.ts"
import { CommandFailed, mistaken } from "./Complaint.ts"
import * as Gateways from "./Gateways.ts"
import * as Judged from "./Judged.ts"
import * as Output from "./Output.ts"
import * as Target from "./Target.ts"

const target = Argument.String("target").pipe(
  Argument.withDescription(`the server to check: ${Target.allowed}`),
  Argument.optional,
)

/** No default: without it a server is checked. */
const listen = Setting.integer({
  key: "listen",
  purpose: "check a client, which connects to this port of loopback; 0 picks one",
  min: 0,
  max: 65_535,
  fallback: 0,
})

/** Where the server is stands behind the command. */
const { url: _, ...way } = Gateways.way

/** `longline conformance`. */
export const command = Command.make(
  "conformance",
  { json: Judged.toggle("json", "print one JSON object"), listen: Judged.optional(listen), target, ...way },
  ({ json, listen, target, ...way }) =>
    Effect.gen(function* () {
      const tell = (verdict: Verdict.Verdict) => (json ? Effect.void : Output.lines([Verdict.line(verdict)]))
      const verdicts = yield* checked({ ...way, url: target }, listen, tell)
      const passed = Verdict.isPassed(verdicts)
      if (json) yield* Output.json({ ok: passed, ...Verdict.counts(verdicts), verdicts })
      else yield* Output.lines([Verdict.summary(verdicts)])
      if (!passed) return yield* new CommandFailed({ exitCode: 1 })
    }),
).pipe(
  Command.withDescription(
    "Check a server, or with --listen a client, rule by rule. Exit code 1: a rule is broken, or nothing was seen.",
  ),
  Command.withShortDescription("check a server or a client against the protocol"),
  Command.withExamples([
    { command: "longline conformance 127.0.0.1:7557", description: "Check a server" },
    {
      command: "longline conformance wss://gateway.example --token-file token",
      description: "Check one that wants a token, over WebSocket",
    },
    { command: "longline conformance --listen 7599 --json", description: "Check the client that connects there" },
  ]),
)

type Tell = (verdict: Verdict.Verdict) => Effect.Effect<void, Output.Failure>

const checked = (given: Gateways.Way, listen: Option.Option<number>, tell: Tell) => {
  const isOfServer = Option.isSome(given.url) || Option.isSome(given.context)
  if (isOfServer === Option.isSome(listen)) {
    return mistaken("conformance needs either a server to check or --listen with a port")
  }
  if (Option.isNone(listen)) return ofServer(given, tell)
  if (Object.values(given).some(Option.isSome)) {
    return mistaken("--listen checks whoever connects: what is said of a server must be left out")
  }
  return ofClient(listen.value, tell)
}

const ofServer = (given: Gateways.Way, tell: Tell) =>
  Effect.gen(function* () {
    const { dial, target, token } = yield* Gateways.resolve(given, "the server")
    const server = {
      dial,
      hasFrames: target._tag !== "Ws" && target._tag !== "Wss",
      ...(token !== undefined && { token: typeof token === "string" ? token : yield* token }),
    }
    const name = `conformance-${randomBytes(4).toString("hex")}`
    return yield* ServerRules.check(server, { name, onVerdict: tell })
  })

const ofClient = (port: number, tell: Tell) =>
  Effect.scoped(
    Effect.gen(function* () {
      const transport = yield* Effect.catch(TcpTransport.make({ port }), ({ message }) => mistaken(message))
      yield* Console.error(`longline: listening on ${formatAddress(transport.address)} for one client`)
      const verdicts = yield* ClientCheck.check(transport)
      yield* Effect.forEach(verdicts, tell, { discard: true })
      return verdicts
    }),
  )
