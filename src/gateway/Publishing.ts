/**
 * What one client publishes: judged by the policy of its namespace, and made into what the engine takes.
 * Stores nothing and tells nobody.
 */
import * as Result from "effect/Result"
import { TokenBucket } from "../connection/RateLimit.ts"
import type { Identity } from "./auth/Identity.ts"
import type { Draft } from "./engine/Engine.ts"
import * as Idempotency from "./engine/Idempotency.ts"
import * as Publications from "./engine/Publications.ts"
import { isAllowed, mismatchText, type Policy } from "./Policy.ts"
import type { Publish } from "./protocol/ClientMessage.ts"
import * as Data from "./protocol/Data.ts"
import * as ErrorCode from "./protocol/ErrorCode.ts"
import type { Sender, Tags } from "./protocol/Fields.ts"

/** Bytes of UTF-8 in an idempotency key. */
export const maxKeyBytes = 64

/** Tags of one publication. */
export const maxTags = 16

/** Bytes of UTF-8 in the names and values of a publication's tags together. */
export const maxTagBytes = 1024

/** Who publishes. */
export interface Publisher {
  readonly sender: Sender
  readonly identity: Identity
}

/** The publishing of one client. */
export class Publishing {
  readonly #policyOf: (name: string) => Policy
  readonly #publisher: Publisher
  /** One for each policy with a rate that was published under. */
  #rates: Map<Policy, TokenBucket> | undefined

  constructor(policyOf: (name: string) => Policy, publisher: Publisher) {
    this.#policyOf = policyOf
    this.#publisher = publisher
  }

  /** What the engine is given. Errors: 103, 110, 111, 116. `now` is of a clock that never goes back. */
  draft(publish: Publish, now: number): Result.Result<Draft, ErrorCode.ErrorFacts> {
    const { channel, data, echo, key, tags } = publish
    const { identity, sender: from } = this.#publisher
    const policy = this.#policyOf(channel)
    if (!isAllowed(policy, "publish", channel, identity)) return fail("notAllowed")
    const tooLarge = sizeError(policy, data, key, tags)
    if (tooLarge !== undefined) return fail("tooLarge", tooLarge)
    const waitMs = this.#takeRate(policy, now)
    if (waitMs > 0) {
      const message = `more than ${policy.publishesPerSecond} publications per second in this namespace`
      return Result.fail(ErrorCode.make("tooManyCommands", { message, waitMs }))
    }
    const mismatch = policy.validate?.(data)
    if (mismatch !== undefined) return fail("dataMismatch", mismatchText(mismatch))
    // Spreading costs more than all of the above, and most publications are plain ones.
    if (key === undefined && tags === undefined && echo !== false) return Result.succeed({ channel, data, from })
    return Result.succeed({
      channel,
      data,
      from,
      ...(tags !== undefined && { tags }),
      ...(key !== undefined && { key: { user: from.user, key, fingerprint: Idempotency.fingerprint(data, tags) } }),
      ...(echo === false && { withheldFrom: from.connection }),
    })
  }

  #takeRate(policy: Policy, now: number): number {
    const { publishesPerSecond } = policy
    if (publishesPerSecond === Infinity) return 0
    this.#rates ??= new Map()
    let bucket = this.#rates.get(policy)
    if (bucket === undefined) this.#rates.set(policy, (bucket = new TokenBucket(publishesPerSecond, now)))
    return bucket.take(1, now) ? 0 : Math.max(1, Math.ceil(bucket.waitMs(1, now)))
  }
}

/** Why data is larger than a policy allows, if it is. */
export const dataSizeError = ({ maxDataBytes }: Policy, data: Data.Data): string | undefined => {
  // No text is longer than three bytes a character: most need not be counted.
  if (data.type === "json" && data.text.length * 3 <= maxDataBytes) return undefined
  const bytes = Data.byteLength(data)
  return bytes > maxDataBytes ? `data of ${bytes} bytes, allowed are ${maxDataBytes}` : undefined
}

const sizeError = (policy: Policy, data: Data.Data, key: string | undefined, tags: Tags | undefined) => {
  const tooMuch = dataSizeError(policy, data)
  if (tooMuch !== undefined) return tooMuch
  if (key !== undefined && Buffer.byteLength(key) > maxKeyBytes) {
    return `a key of ${Buffer.byteLength(key)} bytes, allowed are ${maxKeyBytes}`
  }
  if (tags === undefined) return undefined
  const count = Object.keys(tags).length
  if (count > maxTags) return `${count} tags, allowed are ${maxTags}`
  const bytes = Publications.tagBytes(tags)
  return bytes > maxTagBytes ? `tags of ${bytes} bytes together, allowed are ${maxTagBytes}` : undefined
}

const fail = (name: ErrorCode.ErrorName, message?: string): Result.Result<never, ErrorCode.ErrorFacts> =>
  Result.fail(ErrorCode.make(name, message === undefined ? undefined : { message }))
