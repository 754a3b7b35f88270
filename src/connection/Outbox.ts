/**
 * Bounded sending: collects what is sent in a turn of the event loop and writes it in one call; bounded in bytes and in
 * the age of its oldest frame. Hot: plain loops, Effect only where a peer is slow. Drops nothing: a peer that passes a
 * limit is reported, and the connection decides.
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type { Body } from "../codec/Codec.ts"
import * as Bytes from "../frame/Bytes.ts"
import type { FrameEncoder } from "../frame/FrameEncoder.ts"
import type { FrameError } from "../frame/FrameError.ts"
import * as Limit from "../limit/Limit.ts"
import type { Wire } from "../transport/Transport.ts"
import * as Alarms from "./Alarms.ts"
import { Batch, ownChunks } from "./Batch.ts"
import * as CloseReason from "./CloseReason.ts"
import type { Intake } from "./Intake.ts"
import type { Flushable, Turn } from "./Turn.ts"

/** Bytes that may wait for a peer: 1 MiB. */
export const defaultMaxOutboxBytes = 1024 * 1024

/** How long a frame may wait for a peer. */
export const defaultMaxOutboxAge = Duration.seconds(10)

/** What a turn may collect before it is written at once: as much as an arena holds. */
export const flushBytes = 64 * 1024

/** The bounds of every outbox. */
export interface OutboxLimits {
  readonly maxBytes: number
  readonly maxAge: Duration.Duration
}

/** The bounds in force. */
export const OutboxLimits = Context.Reference<OutboxLimits>("longline/connection/OutboxLimits", {
  defaultValue: () => ({ maxBytes: defaultMaxOutboxBytes, maxAge: defaultMaxOutboxAge }),
})

/** The bounds as a layer; what is not given keeps its default. */
export const layer = (options: {
  readonly maxBytes?: number | undefined
  readonly maxAge?: Duration.Input | undefined
}): Layer.Layer<never> =>
  Layer.succeed(OutboxLimits, {
    ...Limit.checkedUnsafe({ maxBytes: options.maxBytes ?? defaultMaxOutboxBytes }),
    ...Limit.durationsUnsafe({ maxAge: options.maxAge ?? defaultMaxOutboxAge }),
  })

/** A frame, header included, that many outboxes hold: encoded once, counted in each. */
export class SharedFrame {
  readonly bytes: Uint8Array
  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }
}

/** The connection that an outbox belongs to. */
export interface OutboxOwner {
  readonly wire: Wire
  readonly protocol: { readonly encoder: FrameEncoder }
  readonly settings: {
    readonly alarms: Alarms.Alarms
    readonly deadlines: { readonly writeStall: number }
    readonly intake: Intake
    readonly now: () => number
    readonly outbox: OutboxLimits
    readonly turn: Turn
  }
  /** Runs an effect in the connection's scope. */
  readonly fork: (effect: Effect.Effect<void>) => void
  /** Called when a limit is passed. */
  readonly closeUnsafe: (reason: CloseReason.CloseReason) => void
}

/** The frames on their way to one peer. */
export class Outbox implements Flushable {
  /** When the last frame was written, on the clock of `now`. */
  sentAt: number
  /** Bytes collected here, headers included, and not yet given to the wire. */
  queuedBytes = 0

  /** What is collected, if anything is. */
  #batch: Batch | undefined
  #scheduled = false
  #blocked = false
  #sealed = false
  /** The last frame is taken whatever waits already: it has room reserved. */
  #sealing = false
  /** When the oldest frame that waits here came, and the oldest one of those given to a wire that has not sent them. */
  #oldestQueuedAt: number | undefined
  #oldestUnsentAt = 0
  #room: Deferred.Deferred<void> | undefined
  /** Bytes ever given to the wire. */
  #givenBytes = 0
  /** Watches over a little that is left with the wire. */
  #rest: Alarms.Alarm | undefined
  readonly #owner: OutboxOwner

  constructor(owner: OutboxOwner) {
    this.#owner = owner
    this.sentAt = owner.settings.now()
  }

  /**
   * Takes one body. Undefined if it was taken, or the reason why its frame cannot be. A sealed outbox swallows. A
   * `Uint8Array` of `Batch.referenceBytes` or more must not be changed before it is sent.
   */
  offer(body: Body): FrameError | undefined {
    const bytes = typeof body === "string" ? Bytes.here.lengthOf(body) : body.length
    const { encoder } = this.#owner.protocol
    const refused = encoder.refuse(typeof body === "string" ? bytes : body)
    if (refused !== undefined) return refused
    if (this.#sealed) return undefined
    if (!this.#blocked) this.#taken(this.#collecting.add(body, bytes))
    else if (this.#mayWait(encoder.sizeOf(bytes))) this.#taken(this.#collecting.addCopy(body, bytes))
    return undefined
  }

  /** Takes a frame that others hold too. */
  offerShared(frame: SharedFrame): void {
    if (this.#sealed || (this.#blocked && !this.#mayWait(frame.bytes.length))) return
    this.#collecting.push(frame.bytes)
    this.#taken(frame.bytes.length)
  }

  /**
   * Bytes that wait for the peer, here and with the wire. What was collected in this turn for a peer that keeps up is not
   * among them.
   */
  get heldBytes(): number {
    return (this.#blocked ? this.queuedBytes : 0) + this.#owner.wire.unsentUnsafe()
  }

  /** Whether a sender of `bodyBytes` that can wait should: the peer is slow, and enough waits for it already. */
  isFullFor(bodyBytes: number): boolean {
    if (!this.#blocked || this.#sealed) return false
    if (this.queuedBytes >= flushBytes) return true
    const { protocol, settings, wire } = this.#owner
    return this.queuedBytes + wire.unsentUnsafe() + protocol.encoder.sizeOf(bodyBytes) > settings.outbox.maxBytes
  }

  /** Whether the peer has yet to take what it was given: `room` would wait. */
  get isBehind(): boolean {
    return this.#blocked && !this.#sealed
  }

  /** Completes once the peer has caught up, or the outbox is sealed: ask `isFullFor` again. */
  get room(): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (!this.isBehind) return Effect.void
      this.#room ??= Deferred.makeUnsafe()
      return Deferred.await(this.#room)
    })
  }

  /** No frame is taken any more. What waits stays, unless `discard`; `last` is written behind it. */
  seal(options: { readonly discard: boolean; readonly last: Body | undefined }): void {
    if (this.#sealed) return
    if (options.discard) {
      this.#batch = undefined
      this.queuedBytes = 0
    }
    this.#sealing = true
    if (options.last !== undefined) this.offer(options.last)
    this.#sealed = true
    this.flushUnsafe()
    this.#makeRoom()
    // From here on the goodbye has deadlines of its own.
    if (this.#rest !== undefined) this.#owner.settings.alarms.lift(this.#rest)
  }

  /** Completes when the system has taken everything, or the wire is lost. Its caller sets the deadline. */
  get flushed(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.flushUnsafe()
      return Effect.matchEffect(this.#owner.wire.drained, {
        onFailure: () => Effect.void,
        onSuccess: () => {
          this.#unblock()
          return this.#owner.wire.unsentUnsafe() > 0 ? this.flushed : Effect.void
        },
      })
    })
  }

  /** Writes what was collected, in one call, unless the peer has to catch up first. */
  flushUnsafe(): void {
    this.#scheduled = false
    const batch = this.#batch
    if (this.#blocked || batch === undefined) return
    const { settings, wire } = this.#owner
    const chunks = batch.take()
    this.#batch = undefined
    const givenBytes = this.queuedBytes
    this.#givenBytes += givenBytes
    this.queuedBytes = 0
    this.sentAt = settings.turn.now()
    // Behind what the system has not taken, a little would keep all of an arena, and so would the next turn's of another.
    const mustWait = this.#rest !== undefined && wire.unsentUnsafe() > 0
    const hasRoom = wire.writeUnsafe(mustWait ? ownChunks(chunks) : chunks)
    const unsentBytes = wire.unsentUnsafe()
    if (!hasRoom) {
      this.#blocked = true
      this.#oldestUnsentAt = this.#oldestQueuedAt ?? this.sentAt
      this.#owner.fork(Effect.raceFirst(this.#catchUp, this.#watch))
    } else if (unsentBytes > 0 && !this.#sealed) this.#watchRest()
    this.#oldestQueuedAt = undefined
    // Last, since it may be the end of this connection.
    if (unsentBytes > 0) settings.intake.growUnsafe(Math.min(unsentBytes, givenBytes))
  }

  /** What was sent so far need not wait for more: all that came of this peer has been answered. */
  answeredUnsafe(): void {
    if (this.#scheduled) this.#owner.settings.turn.answeredUnsafe(this)
  }

  get #collecting(): Batch {
    return (this.#batch ??= new Batch(this.#owner.protocol.encoder, this.#owner.settings.turn))
  }

  /** Whether a frame may wait for a slow peer. One too many is reported. */
  #mayWait(frameBytes: number): boolean {
    const { outbox } = this.#owner.settings
    const observed = this.queuedBytes + frameBytes + this.#owner.wire.unsentUnsafe()
    if (observed > outbox.maxBytes && !this.#sealing) {
      const allowed = outbox.maxBytes
      this.#owner.closeUnsafe(CloseReason.SlowConsumer({ limit: "bytes", allowed, observed }))
      return false
    }
    this.#oldestQueuedAt ??= this.#owner.settings.now()
    return true
  }

  #taken(frameBytes: number): void {
    this.queuedBytes += frameBytes
    if (this.#blocked) return this.#owner.settings.intake.growUnsafe(frameBytes)
    if (this.queuedBytes >= flushBytes) this.flushUnsafe()
    else if (!this.#scheduled) {
      this.#scheduled = true
      this.#owner.settings.turn.schedule(this)
    }
  }

  #unblock(): void {
    this.#blocked = false
    this.flushUnsafe()
    this.#makeRoom()
  }

  #makeRoom(): void {
    const room = this.#room
    this.#room = undefined
    if (room !== undefined) Deferred.doneUnsafe(room, Exit.void)
  }

  /**
   * The peer has taken what it was given: the next write, and room for those who wait. A lost wire ends elsewhere, and
   * has no room until then: who waits is told of the end by `seal`.
   */
  get #catchUp(): Effect.Effect<void> {
    return Effect.ignore(Effect.map(this.#owner.wire.drained, () => this.#unblock()))
  }

  /**
   * A little that the system did not take at once, too little to call the peer slow. With TLS that is so after every
   * write, for a moment: so the alarm is set once in a stall's time, and looks whether anything was taken since.
   */
  #watchRest(): void {
    if (this.#rest !== undefined) return
    const { settings, wire } = this.#owner
    const limitMs = settings.deadlines.writeStall
    const takenBytes = this.#givenBytes - wire.unsentUnsafe()
    this.#rest = Alarms.make(() => {
      this.#rest = undefined
      const unsentBytes = wire.unsentUnsafe()
      if (unsentBytes === 0 || this.#blocked) return
      if (this.#givenBytes - unsentBytes > takenBytes) return this.#watchRest()
      this.#owner.closeUnsafe(CloseReason.WriteStalled({ limitMs, unsentBytes }))
    })
    settings.alarms.set(this.#rest, settings.now() + limitMs)
  }

  /** While the peer is slow: looks for progress ten times in the stall's time, and at the age of the oldest frame. */
  get #watch(): Effect.Effect<void> {
    const { settings, wire } = this.#owner
    const maxAgeMs = Duration.toMillis(settings.outbox.maxAge)
    const writeStallMs = settings.deadlines.writeStall
    let unsent = wire.unsentUnsafe()
    let progressAt = this.sentAt
    const look: Effect.Effect<void> = Effect.suspend(() => {
      const at = settings.now()
      const left = wire.unsentUnsafe()
      if (left < unsent) progressAt = at
      unsent = left
      const age = at - this.#oldestUnsentAt
      if (at - progressAt >= writeStallMs) {
        this.#owner.closeUnsafe(CloseReason.WriteStalled({ limitMs: writeStallMs, unsentBytes: left }))
      } else if (age >= maxAgeMs) {
        this.#owner.closeUnsafe(
          CloseReason.SlowConsumer({ limit: "age", allowed: maxAgeMs, observed: Math.round(age) }),
        )
      } else {
        const next = Math.min(this.#oldestUnsentAt + maxAgeMs, progressAt + writeStallMs, at + writeStallMs / 10) - at
        return Effect.flatMap(Effect.sleep(Math.max(1, Math.ceil(next))), () => look)
      }
      return Effect.never
    })
    return look
  }
}
