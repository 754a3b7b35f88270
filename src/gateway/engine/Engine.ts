/**
 * What the gateway needs of a store: publications in the order of their channel, kept as long as the channel's policy
 * says, and told to whoever is attached. Knows no subscriber, no permission and no encoding.
 *
 * `publishUnsafe` is the hot path and takes a callback; everything else is an Effect with a deadline of its caller's.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type * as Result from "effect/Result"
import type { Data as Payload } from "../protocol/Data.ts"
import type { Position, Sender, Tags } from "../protocol/Fields.ts"

/** What is kept of a channel: the newest `size` publications, none older than `ageMs`. A size of 0 keeps none. */
export interface Retention {
  readonly size: number
  readonly ageMs: number
  /** The channel is taken over the limit of channels too: there are few such. Default: it is not. */
  readonly isReserved?: boolean | undefined
}

/** One publication as it is kept and told. */
export interface Publication {
  readonly offset: number
  /** The offset before it in its channel, 0 for the first. */
  readonly previous: number
  /** Milliseconds since the epoch; never less than that of the one before it. */
  readonly time: number
  readonly data: Payload
  readonly from?: Sender
  readonly tags?: Tags
}

/** What is asked to be published. */
export interface Draft {
  readonly channel: string
  readonly data: Payload
  readonly from?: Sender
  readonly tags?: Tags
  /** So that a repeated publish is told from a new one; belongs to a channel and a user. */
  readonly key?: { readonly user: string | undefined; readonly key: string; readonly fingerprint: string }
  /** The connection that does not hear it live. */
  readonly withheldFrom?: string
}

/** Where it stands now, with the engine's durability; `duplicate`: the first one with this key stands there. */
export interface Accepted extends Position {
  readonly duplicate?: true
}

/** Why the engine did not do what it was asked. */
export class EngineError extends Data.TaggedError("EngineError")<{
  /**
   * `Unavailable`: try again later, whether it was published is not known. `KeyReused`: the key stands for other data.
   * `ChannelLimit`: no room for another channel. `TooLarge`: it fits into no frame.
   */
  readonly reason: "Unavailable" | "KeyReused" | "ChannelLimit" | "TooLarge"
  /** One sentence for a person. */
  readonly detail: string
  readonly cause?: unknown
}> {
  /** The key stands for other data. */
  static keyReused(): EngineError {
    return new EngineError({ reason: "KeyReused", detail: "this key was used for other data" })
  }

  /** There is no room for a channel that was not published to yet. */
  static channelLimit(maxChannels: number): EngineError {
    const detail = `${maxChannels} channels were published to, there is no room for another`
    return new EngineError({ reason: "ChannelLimit", detail })
  }

  /** Nobody could be sent it. */
  static tooLarge(weight: number, maxWeight: number): EngineError {
    return new EngineError({
      reason: "TooLarge",
      detail: `the publication weighs ${weight} bytes, it may weigh ${maxWeight}`,
    })
  }

  override get message(): string {
    return this.detail
  }
}

/** Is told each publication of an attached channel, in order. Must return at once and not throw. */
export type Deliver = (publication: Publication, epoch: string, withheldFrom: string | undefined) => void

/** Which publications to read. */
export interface Range {
  /** Those after this offset; before it if `reverse`. Default: from the oldest kept, or from the newest. */
  readonly since?: number
  /** At most so many. */
  readonly limit: number
  /** At most so many bytes of data and tags; one publication is read whatever its size. */
  readonly maxBytes: number
  /** Newest first. */
  readonly reverse?: boolean
}

/** What was read, at one moment. */
export interface Page {
  readonly publications: ReadonlyArray<Publication>
  /** The newest publication's place at that moment. */
  readonly position: Position
  /** The offset of the newest publication that is not kept any more, 0 if all are: nothing after it is missing. */
  readonly prunedTo: number
  /** Whether the range goes on. */
  readonly more: boolean
}

/** What is held, for metrics and limits. */
export interface Counts {
  /** Channels with a position. */
  readonly channels: number
  readonly publications: number
  /** What they take: bytes of data and tags in memory, of pages on disk. */
  readonly bytes: number
  readonly keys: number
}

/** A store. Every engine passes the same suite. */
export class Engine extends Context.Service<
  Engine,
  {
    /** For logs: `memory`, `lmdb`. */
    readonly name: string
    /**
     * Gives the draft the next offset of its channel. When it is as durable as the engine promises, it is told to who is
     * attached and then `answer` is called, once; both in the order of publishing, maybe within this call. What weighs more than
     * `Publications.maxWeight` is refused (`TooLarge`): whoever hears or reads it would be sent away, again each time.
     */
    readonly publishUnsafe: (draft: Draft, answer: (accepted: Result.Result<Accepted, EngineError>) => void) => void
    /** Completes when the engine has room for more publications. Who publishes much waits for it between batches. */
    readonly room: Effect.Effect<void>
    /**
     * Tells `deliver` every publication after the position that it returns. A channel has one attachment, which another
     * one replaces: the gateway shares it between subscribers. While it lasts the channel keeps its position and epoch.
     */
    readonly attach: (channel: string, deliver: Deliver) => Effect.Effect<Position, EngineError>
    /** Tells nothing more. Nothing happens if the channel is not attached. */
    readonly detach: (channel: string) => Effect.Effect<void>
    /** Reads what is kept. An unknown channel is an empty page at offset 0. */
    readonly read: (channel: string, range: Range) => Effect.Effect<Page, EngineError>
    /** Where a channel stands: offset 0 if it was never published to. */
    readonly position: (channel: string) => Effect.Effect<Position, EngineError>
    /** Succeeds if the engine works. */
    readonly health: Effect.Effect<void, EngineError>
    readonly counts: () => Counts
  }
>()("longline/gateway/engine/Engine") {}
