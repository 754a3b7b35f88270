/**
 * `longline token make`: signs a token for a client, and prints it.
 * Refuses what the gateway would refuse: patterns that it does not understand, secrets that are too short.
 */
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Record from "effect/Record"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { SignJWT } from "jose"
import { createPrivateKey, createPublicKey, createSecretKey, type KeyObject, randomUUID } from "node:crypto"
import * as Algorithm from "../gateway/auth/Algorithm.ts"
import * as AuthConfig from "../gateway/auth/AuthConfig.ts"
import * as Grants from "../gateway/auth/Grants.ts"
import * as JwtAuthenticator from "../gateway/auth/JwtAuthenticator.ts"
import * as KeyRing from "../gateway/auth/KeyRing.ts"
import { secretOf } from "../gateway/auth/Keys.ts"
import * as AuthSettings from "../gateway/config/AuthSettings.ts"
import * as DurationText from "../gateway/config/DurationText.ts"
import * as Setting from "../gateway/config/Setting.ts"
import { type CommandFailed, mistaken } from "./Complaint.ts"
import * as Files from "./Files.ts"

const text = (name: string, metavar: string, description: string) =>
  Flag.String(name).pipe(Flag.withMetavar(metavar), Flag.withDescription(description))

const patterns = (action: string, meaning: string) =>
  text(action, "<pattern>", `${meaning}; may be repeated`).pipe(Flag.atLeast(0))

const flags = {
  user: text("user", "<name>", "whom the token is for (sub)").pipe(Flag.optional),
  expires: text("expires", "<duration>", "how long it is good for: 90s, 15m, 1h [default 1h]").pipe(
    Flag.withDefault("1h"),
  ),
  subscribe: patterns("subscribe", "channels that may be subscribed to"),
  publish: patterns("publish", "channels that may be published to"),
  history: patterns("history", "channels whose history may be read"),
  presence: patterns("presence", "channels whose members may be listed"),
  serve: patterns("serve", "services that may be served"),
  request: patterns("request", "services that may be asked"),
  issuer: text("issuer", "<text>", "who makes it (iss)").pipe(Flag.optional),
  audience: text("audience", "<text>", "for whom it is made (aud); may be repeated").pipe(Flag.atLeast(0)),
  tokenId: text("token-id", "<text>", "its own id (jti); otherwise a random one").pipe(Flag.optional),
  kid: text("kid", "<text>", "the name of the key").pipe(Flag.optional),
  algorithm: Flag.Literals("algorithm", Algorithm.all).pipe(
    Flag.withDescription("the signature algorithm; otherwise the first that fits the key"),
    Flag.optional,
  ),
  claim: text("claim", "<name>", `the claim for the patterns [default ${AuthConfig.defaultClaim}]`).pipe(
    Flag.withDefault(AuthConfig.defaultClaim),
  ),
  secretFile: text("secret-file", "<file>", "file with a secret [LONGLINE_AUTH_SECRET_FILE]").pipe(Flag.optional),
  privateKeyFile: text("private-key-file", "<file>", "file with a private key, PEM").pipe(Flag.optional),
  json: Flag.Boolean("json").pipe(
    Flag.withDescription("print the token and its claims as one JSON object"),
    Flag.withDefault(false),
  ),
}

type Given = Command.Command.Config.Infer<typeof flags>

/** `longline token make`. */
export const command = Command.make("make", flags, (given) =>
  Effect.gen(function* () {
    const claims = yield* claimsOf(given)
    const key = yield* keyOf(given)
    const alg = yield* algorithmOf(given, key)
    const header = Option.match(given.kid, { onNone: () => ({ alg }), onSome: (kid) => ({ alg, kid }) })
    // The key fits the algorithm, so that signing does not fail.
    const token = yield* Effect.promise(() => new SignJWT(claims).setProtectedHeader(header).sign(key))
    yield* verify(token, { alg, claim: given.claim, key })
    yield* Console.log(given.json ? JSON.stringify({ token, header, claims }) : token)
  }),
).pipe(
  Command.withDescription("Sign a token with a secret or a private key, and print it."),
  Command.withExamples([
    {
      command: "longline token make --user ann --subscribe 'news:*' --publish 'chat:{user}' --secret-file secret",
      description: "A token that is good for an hour",
    },
  ]),
)

/** The claims of the token; `verify` judges them. */
const claimsOf = Effect.fnUntraced(function* (given: Given) {
  const lifetime = Option.filter(DurationText.parse(given.expires), (duration) => Duration.toMillis(duration) >= 1000)
  if (Option.isNone(lifetime)) {
    return yield* mistaken(
      `--expires is ${JSON.stringify(given.expires)}; it must be 1s or more, written like 90s, 15m or 1h`,
    )
  }
  const granted = Record.filter(
    Record.fromIterableWith(Grants.actions, (action) => [action, given[action]]),
    (patterns) => patterns.length > 0,
  )
  const now = Math.floor((yield* Clock.currentTimeMillis) / 1000)
  const { audience, issuer, tokenId, user } = given
  return {
    ...(Option.isSome(issuer) ? { iss: issuer.value } : {}),
    ...(Option.isSome(user) ? { sub: user.value } : {}),
    ...(audience.length > 0 ? { aud: [...audience] } : {}),
    jti: Option.getOrElse(tokenId, () => randomUUID()),
    iat: now,
    exp: now + Math.floor(Duration.toSeconds(lifetime.value)),
    [given.claim]: granted,
  }
})

/** Gives nobody a token that a gateway with the other half of the key would refuse. */
const verify = (
  token: string,
  { alg, claim, key }: { readonly alg: Algorithm.Algorithm; readonly claim: string; readonly key: KeyObject },
): Effect.Effect<unknown, CommandFailed> => {
  const material = key.type === "secret" ? key : createPublicKey(key)
  const ring = KeyRing.fixed([{ kid: undefined, algorithms: [alg], material }])
  const config = AuthConfig.make({ algorithms: [alg], claim })
  return Effect.catch(JwtAuthenticator.ofRing(config, ring).authenticate(token), ({ detail }) => mistaken(detail))
}

/** The key that signs: of the one file that is given, or of the gateway's own environment. */
const keyOf = Effect.fnUntraced(function* (given: Given) {
  if (Option.isSome(given.privateKeyFile)) {
    if (Option.isSome(given.secretFile)) {
      return yield* mistaken("--secret-file must be left out when --private-key-file is given")
    }
    const pem = Buffer.from(yield* Files.read("--private-key-file", given.privateKeyFile.value))
    return yield* Effect.catch(
      Effect.try(() => createPrivateKey(pem)),
      () => mistaken("--private-key-file must name a PEM private key without a passphrase"),
    )
  }
  const file = Option.isSome(given.secretFile) ? given.secretFile.value : yield* variable(AuthSettings.auth.secretFile)
  if (file !== undefined) return createSecretKey(secretOf(yield* Files.read("--secret-file", file)))
  const secret = yield* variable(AuthSettings.auth.secret)
  if (secret !== undefined) return createSecretKey(Buffer.from(secret))
  return yield* mistaken("--secret-file or --private-key-file must be given: there is no key to sign with")
})

/** What the gateway's own environment says: whoever makes tokens for it on the same machine need not say it again. */
const variable = (setting: Setting.Setting<unknown>): Effect.Effect<string | undefined> =>
  Effect.map(Effect.orDie(Config.option(Config.String(Setting.environmentName(setting)))), Option.getOrUndefined)

/** The algorithm that is asked for, or the first that fits the key. */
const algorithmOf = Effect.fnUntraced(function* ({ algorithm }: Given, key: KeyObject) {
  const able = Algorithm.ofKey(key)
  const wanted = Option.getOrElse(algorithm, () => able[0])
  if (wanted !== undefined && able.includes(wanted)) return wanted
  if (able.length > 0) return yield* mistaken(`--algorithm must be one that the key fits: ${able.join(", ")}`)
  return yield* mistaken(
    key.type === "secret"
      ? `the secret has ${key.symmetricKeySize} bytes; ${Algorithm.minSecretBytes.HS256} are the least`
      : `the key must be ${Algorithm.asymmetricKeys}`,
  )
})
