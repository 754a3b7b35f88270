/**
 * The subscriptions of one client: judges what it asks for, has it attached and what it missed read, and answers.
 * An answer is given at once where nothing has to be waited for, which is the usual case, and costs no fiber then.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Identity } from "./auth/Identity.ts"
import * as Channels from "./Channels.ts"
import type { Encoded } from "./Encoded.ts"
import { isAllowed, type Policy } from "./Policy.ts"
import type { Presence } from "./Presence.ts"
import type * as Client from "./protocol/ClientMessage.ts"
import * as ErrorCode from "./protocol/ErrorCode.ts"
import type { Position } from "./protocol/Fields.ts"
import type * as Server from "./protocol/ServerMessage.ts"
import * as Recovery from "./Recovery.ts"
import * as Weight from "./Weight.ts"
import { Subscription, type Client as Owner } from "./Subscription.ts"

/** Subscriptions of one client. Over it: error 106. */
export const defaultMaxSubscriptions = 1000

/** Bytes of publications that `connected` or `subscribed` carries; what is over it follows. */
export const maxAnsweredBytes = 256 * 1024

/**
 * Bytes that may be read for the subscriptions of one `connect`, a read more at most for each of `RidingAlong.maxReads`.
 * All of it is held until all are answered, and then until it is read: without a bound ten clients had 2 GB held for them.
 */
export const maxRecoveredTogether = 4 * 1024 * 1024

/** What may still be read for subscriptions that are answered together. */
export interface Allowance {
  bytes: number
  /** Why nothing is read any more: too much was, or a read has failed. */
  refusal: ErrorCode.ErrorFacts | undefined
}

/** What the subscriptions of all clients share. */
export interface Shared {
  readonly channels: Channels.Channels<Encoded>
  readonly presence: Presence<Encoded>
  readonly policyOf: (name: string) => Policy
  readonly maxSubscriptions: number
}

/** Whose subscriptions they are. */
export interface Subscriber extends Owner {
  readonly identity: Identity
  /** Nothing of this channel may be sent any more. */
  readonly forget: (channel: string) => void
}

/** What came of a wish to subscribe, before it is answered: a refusal, or a subscription that holds back still. */
export type Outcome =
  | { readonly error: ErrorCode.ErrorFacts }
  | {
      readonly subscription: Subscription
      readonly wanted: Client.Subscription
      readonly recovered: Recovery.Recovered
      readonly shared?: Channels.Shared<Encoded>
    }

/** An answer, and what is to be done behind it. */
export interface Answer {
  readonly message: Server.SubscriptionAnswer
  /** To be called once the answer was sent, and run if there is something to run. */
  readonly start: () => Effect.Effect<void> | undefined
  /** Bytes of publications in it. */
  readonly bytes: number
}

/** The subscriptions of one client. */
export class Subscriptions {
  readonly #shared: Shared
  readonly #client: Subscriber
  /** The only one, as most clients have it: a map of one is larger than all else that is kept here. */
  #only: Subscription | undefined
  /** All of them, once there are two. */
  #open: Map<string, Subscription> | undefined

  constructor(shared: Shared, client: Subscriber) {
    this.#shared = shared
    this.#client = client
  }

  /**
   * Begins a subscription: from now on nothing of the channel is missed. Every outcome is to be answered. With an allowance
   * it is refused with error 113 where others have used that up, and with the error of the read that failed for one of them.
   */
  begin(wanted: Client.Subscription, allowance?: Allowance): Outcome | Effect.Effect<Outcome> {
    const { channel: name } = wanted
    const policy = this.#shared.policyOf(name)
    const error = this.#refusal(wanted, policy)
    if (error !== undefined) return { error }
    const subscription = new Subscription(name, this.#client)
    const joined = this.#shared.channels.join(name, subscription)
    if (Result.isFailure(joined)) return { error: joined.failure }
    const channel = joined.success
    subscription.at = channel
    this.#add(subscription)
    if (channel.top !== undefined) return this.#recover(wanted, subscription, channel.top, allowance)
    return Effect.matchEffect(Deferred.await(channel.attached), {
      onFailure: (failed) => Effect.succeed(this.#giveUp(subscription, failed)),
      onSuccess: () => {
        const outcome = this.#recover(wanted, subscription, channel.top!, allowance)
        return Effect.isEffect(outcome) ? outcome : Effect.succeed(outcome)
      },
    })
  }

  /** Answers with at most so many bytes of publications. */
  answer(outcome: Outcome, maxBytes: number): Answer {
    if ("error" in outcome) return refused(outcome.error)
    const { recovered, shared, subscription, wanted } = outcome
    const { channel: name } = subscription
    // The connection is about to end, and has left its channels.
    if (this.#find(name) !== subscription) return refused(ErrorCode.make("internal"))
    if (wanted.presence === true) {
      const present = this.#shared.presence.join(name, subscription, this.#shared.policyOf(name))
      if (Result.isFailure(present)) return refused(this.#giveUp(subscription, present.failure).error)
    }
    const {
      position,
      publications,
      recovered: outcomeOfRecovery,
    } = subscription.hasOverflown ? Recovery.lost(wanted, subscription.at!.top!) : recovered
    const { bytes, count } = Weight.fitting(name, publications, maxBytes)
    const rest = count < publications.length && shared !== undefined ? { shared, from: count } : undefined
    return {
      message: {
        type: "subscribed",
        channel: name,
        position,
        recovered: outcomeOfRecovery,
        publications: publications
          .slice(0, count)
          .map((publication) => Channels.messageOf(name, position.epoch, publication)),
        ...(rest !== undefined && { more: true }),
      },
      start: () => subscription.start(position.offset, rest),
      bytes,
    }
  }

  /** Ends a subscription, if there is one. */
  unsubscribe(name: string): void {
    const subscription = this.#find(name)
    if (subscription === undefined) return
    this.#shared.presence.leave(name, subscription)
    this.#end(subscription)
  }

  /** Ends those that the client may not have any more, and returns the names of their channels. */
  review(): ReadonlyArray<string> {
    const { identity } = this.#client
    const lostNames: Array<string> = []
    for (const subscription of this.#all) {
      const name = subscription.channel
      const policy = this.#shared.policyOf(name)
      if (!isAllowed(policy, "presence", name, identity)) this.#shared.presence.leave(name, subscription)
      if (isAllowed(policy, "subscribe", name, identity)) continue
      this.unsubscribe(name)
      lostNames.push(name)
    }
    return lostNames
  }

  /** Ends all of them: the connection is over. Its client stays present for the grace time. */
  leave(): void {
    for (const subscription of this.#all) {
      this.#shared.presence.lose(subscription.channel, subscription)
      this.#end(subscription)
    }
  }

  #refusal({ channel, presence }: Client.Subscription, policy: Policy): ErrorCode.ErrorFacts | undefined {
    const { identity } = this.#client
    if (!isAllowed(policy, "subscribe", channel, identity)) return ErrorCode.make("notAllowed")
    if (presence === true && !policy.presence) {
      return ErrorCode.make("notEnabled", { message: "presence is not enabled for this namespace" })
    }
    if (presence === true && !isAllowed(policy, "presence", channel, identity)) return ErrorCode.make("notAllowed")
    if (this.#find(channel) !== undefined) return ErrorCode.make("alreadySubscribed")
    const { maxSubscriptions } = this.#shared
    if (this.#count < maxSubscriptions) return undefined
    return ErrorCode.make("limitReached", { message: `${maxSubscriptions} subscriptions, more are not allowed` })
  }

  #recover(
    wanted: Client.Subscription,
    subscription: Subscription,
    top: Position,
    allowance: Allowance | undefined,
  ): Outcome | Effect.Effect<Outcome> {
    const channel = subscription.at!
    const { history, recovery } = channel.policy
    const plan = Recovery.plan(wanted, top, recovery && history.size > 0)
    if ("answer" in plan) return { subscription, wanted, recovered: plan.answer }
    const read = Effect.match(this.#shared.channels.read(channel, plan.read, top), {
      onFailure: (failed): Outcome => {
        // Nor would an engine that does not answer the others: one deadline after the other would hold up the client.
        if (allowance !== undefined) allowance.refusal ??= failed
        return this.#giveUp(subscription, failed)
      },
      onSuccess: (shared): Outcome => {
        if (allowance !== undefined && (allowance.bytes -= shared.bytes) <= 0) allowance.refusal ??= tooMuch
        const recovered = Recovery.judge(wanted, shared.page)
        // A page that is of no use is not held.
        const isUsed = recovered.publications.length > 0
        return isUsed ? { subscription, wanted, recovered, shared } : { subscription, wanted, recovered }
      },
    })
    if (allowance === undefined) return read
    return Effect.suspend(() =>
      allowance.refusal === undefined ? read : Effect.succeed(this.#giveUp(subscription, allowance.refusal)),
    )
  }

  #giveUp(subscription: Subscription, error: ErrorCode.ErrorFacts): { readonly error: ErrorCode.ErrorFacts } {
    this.#end(subscription)
    return { error }
  }

  #end(subscription: Subscription): void {
    this.#shared.channels.leave(subscription.at!, subscription)
    this.#client.forget(subscription.channel)
    if (this.#find(subscription.channel) !== subscription) return
    this.#only = undefined
    this.#open?.delete(subscription.channel)
    if (this.#open?.size === 0) this.#open = undefined
  }

  #find(name: string): Subscription | undefined {
    if (this.#open !== undefined) return this.#open.get(name)
    return this.#only?.channel === name ? this.#only : undefined
  }

  #add(subscription: Subscription): void {
    if (this.#open !== undefined) this.#open.set(subscription.channel, subscription)
    else if (this.#only === undefined) this.#only = subscription
    else {
      this.#open = new Map([this.#only, subscription].map((each) => [each.channel, each]))
      this.#only = undefined
    }
  }

  get #count(): number {
    return this.#open?.size ?? (this.#only === undefined ? 0 : 1)
  }

  get #all(): Iterable<Subscription> {
    return this.#open?.values() ?? (this.#only === undefined ? [] : [this.#only])
  }
}

const tooMuch = ErrorCode.make("busy", {
  message: `more than ${maxRecoveredTogether} bytes to recover in one connect: subscribe again`,
})

const refused = (error: ErrorCode.ErrorFacts): Answer => ({
  message: { type: "error", ...error },
  start: () => undefined,
  bytes: 0,
})
