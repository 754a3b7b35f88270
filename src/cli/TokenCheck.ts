/**
 * `longline token check`: reads a token from standard input and says whether the gateway would accept it, and as whom.
 * Verifies before it tells: nothing of a token that is refused is printed but why.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { decodeJwt, type JWTPayload } from "jose"
import * as Grants from "../gateway/auth/Grants.ts"
import * as JwtAuthenticator from "../gateway/auth/JwtAuthenticator.ts"
import { auth } from "../gateway/config/AuthSettings.ts"
import * as GatewayConfig from "../gateway/config/GatewayConfig.ts"
import { configFile } from "../gateway/config/Settings.ts"
import { mistaken, rejected } from "./Complaint.ts"
import { flags, given } from "./Flags.ts"

/** Of the gateway's own flags those that concern tokens, so that its file and its environment serve here too. */
const names: ReadonlyArray<string> = [configFile, ...Object.values(auth)].map(({ name }) => name)
const settings = Object.fromEntries(Object.entries(flags).filter(([name]) => names.includes(name)))

const json = Flag.Boolean("json").pipe(
  Flag.withDescription("print the claims as one JSON object"),
  Flag.withDefault(false),
)

/** `longline token check`. */
export const command = Command.make("check", { json, settings }, ({ json, settings }) =>
  Effect.gen(function* () {
    const config = yield* GatewayConfig.loadAuth(given(settings))
    if (config === undefined)
      return yield* mistaken("there are no keys to check with: --auth-secret-file or another is needed")
    const token = yield* readToken(config.maxTokenBytes)
    // The keys have been looked at when the settings were loaded.
    const { authenticate } = yield* Effect.orDie(JwtAuthenticator.make(config))
    yield* Effect.catch(authenticate(token), ({ detail }) => rejected(detail))
    const claims = decodeJwt(token)
    yield* Console.log(json ? JSON.stringify(claims) : report(claims, config.claim))
  }).pipe(Effect.scoped),
).pipe(
  Command.withDescription("Read a token from standard input, and say who it is, what it grants and until when."),
  Command.withExamples([
    { command: "longline token check --config longline.yaml < token", description: "Exit code 0: it is accepted" },
  ]),
)

/** The token on standard input, of which little more is kept than a token may have. */
const readToken = Effect.fnUntraced(function* (maxTokenBytes: number) {
  const { stdin } = yield* Stdio.Stdio
  const take = (read: Buffer, chunk: Uint8Array) => (read.length > maxTokenBytes ? read : Buffer.concat([read, chunk]))
  const bytes = yield* Effect.mapError(
    Stream.runFold(stdin, () => Buffer.alloc(0), take),
    ({ message }) => mistaken(`the token cannot be read: ${message}`),
  )
  const token = bytes.toString("utf8").trim()
  return token === "" ? yield* mistaken("there is no token on standard input") : token
})

/** What a person wants to know of a token, a line each. */
const report = (claims: JWTPayload, claim: string): string => {
  const granted = claims[claim] as Readonly<Record<string, ReadonlyArray<string>>> | undefined
  return [
    ["user", claims.sub ?? "none"],
    ["token id", claims.jti ?? "none"],
    ["issued", timeOf(claims.iat)],
    ["expires", timeOf(claims.exp)],
    ...Grants.actions.map((action) => [action, granted?.[action]?.join(" ") || "nothing"]),
  ]
    .map(([name, value]) => `${name!.padEnd(10)}${value}`)
    .join("\n")
}

const timeOf = (seconds: number | undefined): string =>
  seconds === undefined ? "never said" : new Date(seconds * 1000).toISOString()
