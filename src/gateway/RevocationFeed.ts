/**
 * Revocations as they arrive: the history of their channel first, so that none is forgotten over a restart, and then each
 * as it is published. Judges nobody: `Revocations` does, and who is connected is told to look.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as SchemaStep from "../codec/SchemaStep.ts"
import * as Revocations from "./auth/Revocations.ts"
import type { Channels, Subscriber } from "./Channels.ts"
import type { Encoded } from "./Encoded.ts"
import type { Engine } from "./engine/Engine.ts"
import * as EngineAnswer from "./EngineAnswer.ts"
import { type Mismatch, mismatchText } from "./Policy.ts"
import type { Data } from "./protocol/Data.ts"

/** Revocations that are read at a time. */
const pageSize = 1_000

/** What following takes. */
export interface Options {
  readonly engine: Engine["Service"]
  /** How long each reading may take. */
  readonly engineTimeoutMs: number
  readonly channels: Channels<Encoded>
  readonly revocations: Revocations.Revocations["Service"]
  /** Something was revoked: who is connected may be concerned. */
  readonly onRevoked: () => void
  /** A revocation that has no effect, and why. Somebody goes on who should not. */
  readonly onRefused: (reason: string) => void
}

const decode = SchemaStep.decoder(Revocations.Revocation)

/** The revocation that was published, or what is wrong with it. */
export const parse = (data: Data): Result.Result<Revocations.Revocation, Mismatch> => {
  if (data.type !== "json") return Result.fail({ path: "", message: "expected a revocation, got bytes" })
  return Result.mapError(decode(JSON.parse(data.text)), ({ actual, expected, path }) => ({
    path,
    message: `expected ${expected}, got ${actual}`,
  }))
}

/** Succeeds once every revocation that is kept is in force; those to come follow by themselves. */
export const follow = Effect.fnUntraced(function* (options: Options) {
  const { channels, engine, engineTimeoutMs, onRefused, onRevoked, revocations } = options
  const apply = (data: Data) => {
    const revoked = Result.flatMap(Result.mapError(parse(data), mismatchText), (revocation) =>
      Result.mapError(revocations.revoke(revocation), (error) => error.message),
    )
    if (Result.isFailure(revoked)) onRefused(revoked.failure)
  }
  // One that is published while the history is read is applied twice, which is as good as once; the later one wins.
  const waiting: Array<Data> = []
  let isReading = true
  const follower: Subscriber<Encoded> = {
    connection: Revocations.channel,
    deliver: (_, { data }) => {
      if (isReading) return void waiting.push(data)
      apply(data)
      onRevoked()
    },
  }
  const channel = yield* Effect.fromResult(channels.join(Revocations.channel, follower))
  yield* Deferred.await(channel.attached)
  let since = 0
  for (let more = true; more;) {
    const range = { since, limit: pageSize, maxBytes: Infinity }
    const page = yield* EngineAnswer.within(engine.read(Revocations.channel, range), engineTimeoutMs)
    for (const { data, offset } of page.publications) {
      apply(data)
      since = offset
    }
    more = page.more
  }
  isReading = false
  waiting.forEach(apply)
})
