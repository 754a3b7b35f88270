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
import type { FrameEncoder } from "../frame/FrameEncoder.ts"
import type { FrameError } from "../frame/FrameError.ts"
import type { Wire } from "../transport/Transport.ts"
import * as CloseReason from "./CloseReason.ts"
import { LazyDeadline } from "./Deadlines.ts"
import type { Flushable, Turn } from "./Turn.ts"

/** Bytes that may wait for a peer: 1 MiB. */
export const defaultMaxOutboxBytes = 1024 * 1024

/** How long a frame may wait for a peer. */
export const defaultMaxOutboxAge = Duration.seconds(10)

/** What a turn may collect before it is written at once: the arena's size, so that it is one write without a copy. */
export const flushBytes = 64 * 1024

/**
 * From this size on a body is referenced and not copied. Below, a copy is cheaper than a further entry of a gathering
 * write.
 */
export const referenceBytes = 8 * 1024

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
export const layer = (options: { readonly maxBytes?: number; readonly maxAge?: Duration.Input }): Layer.Layer<never> =>
  Layer.succeed(OutboxLimits, {
    maxBytes: options.maxBytes ?? defaultMaxOutboxBytes,
    maxAge: Duration.fromInputUnsafe(options.maxAge ?? defaultMaxOutboxAge),
  })

/** A frame, header included, that many outboxes hold: encoded once, counted in each. */
export class SharedFrame {
  readonly bytes: Uint8Array
  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }
}

/** What an outbox needs of its connection. */
export interface OutboxOptions {
  readonly wire: Wire
  readonly encoder: FrameEncoder
  readonly turn: Turn
  readonly maxBytes: number
  readonly maxAgeMs: number
  readonly writeStallMs: number
  readonly now: () => number
  readonly fork: (effect: Effect.Effect<void>) => void
  /** Called once, when a limit is passed. */
  readonly onOverflow: (reason: CloseReason.CloseReason) => void
}

type Part = Body | SharedFrame

/** The frames on their way to one peer. */
export class Outbox implements Flushable {
  /** When the last frame was written, on the clock of `now`. */
  sentAt: number
  /** Bytes collected here, headers included, and not yet given to the wire. */
  queuedBytes = 0

  #parts: Array<Part> = []
  #scheduled = false
  #blocked = false
  #sealed = false
  /** The last frame is taken whatever waits already: it has room reserved. */
  #sealing = false
  /** When the oldest frame of `#parts` came, and the oldest one of those given to a wire that has not sent them. */
  #oldestQueuedAt = Infinity
  #oldestUnsentAt = Infinity
  #room: Deferred.Deferred<void> | undefined
  /** Bytes ever given to the wire, and how many of them the system had taken when `#rest` was set. */
  #givenBytes = 0
  #takenBytes = 0
  #rest: LazyDeadline | undefined
  #restWatched = false
  readonly #options: OutboxOptions

  constructor(options: OutboxOptions) {
    this.#options = options
    this.sentAt = options.now()
  }

  /**
   * Takes one body. Undefined if it was taken, or the reason why its frame cannot be. A sealed outbox swallows. A
   * `Uint8Array` must not be changed before the turn ends.
   */
  offer(body: Body): FrameError | undefined {
    const bytes = typeof body === "string" ? Buffer.byteLength(body) : body.length
    const refused = this.#options.encoder.refuse(typeof body === "string" ? bytes : body)
    if (refused === undefined) this.#take(body, this.#options.encoder.sizeOf(bytes))
    return refused
  }

  /** Takes a frame that others hold too. */
  offerShared(frame: SharedFrame): void {
    this.#take(frame, frame.bytes.length)
  }

  /** Whether a sender of `bodyBytes` that can wait should: the peer is slow, and enough waits for it already. */
  isFullFor(bodyBytes: number): boolean {
    if (!this.#blocked || this.#sealed) return false
    if (this.queuedBytes >= flushBytes) return true
    const { encoder, maxBytes, wire } = this.#options
    return this.queuedBytes + wire.unsentUnsafe() + encoder.sizeOf(bodyBytes) > maxBytes
  }

  /** Completes once the peer has caught up, or the outbox is sealed: ask `isFullFor` again. */
  get room(): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (!this.#blocked || this.#sealed) return Effect.void
      this.#room ??= Deferred.makeUnsafe()
      return Deferred.await(this.#room)
    })
  }

  /** No frame is taken any more. What waits stays, unless `discard`; `last` is written behind it. */
  seal(options: { readonly discard: boolean; readonly last: Body | undefined }): void {
    if (this.#sealed) return
    if (options.discard) {
      this.#parts = []
      this.queuedBytes = 0
    }
    this.#sealing = true
    if (options.last !== undefined) this.offer(options.last)
    this.#sealed = true
    this.flushUnsafe()
    this.#makeRoom()
  }

  /** Completes when the system has taken everything, or the wire is lost. Its caller sets the deadline. */
  get flushed(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.flushUnsafe()
      return Effect.matchEffect(this.#options.wire.drained, {
        onFailure: () => Effect.void,
        onSuccess: () => {
          this.#unblock()
          return this.#options.wire.unsentUnsafe() > 0 ? this.flushed : Effect.void
        },
      })
    })
  }

  /** Writes what was collected, in one call, unless the peer has to catch up first. */
  flushUnsafe(): void {
    this.#scheduled = false
    if (this.#blocked || this.#parts.length === 0) return
    const { turn, wire } = this.#options
    const parts = this.#parts
    const chunks = this.#chunksOf(parts)
    this.#parts = []
    this.#givenBytes += this.queuedBytes
    this.queuedBytes = 0
    this.sentAt = turn.now()
    if (!wire.writeUnsafe(chunks)) {
      this.#blocked = true
      this.#oldestUnsentAt = Math.min(this.#oldestQueuedAt, this.sentAt)
      this.#options.fork(Effect.raceFirst(this.#catchUp, this.#watch))
    } else if (wire.unsentUnsafe() > 0) this.#watchRest()
    this.#oldestQueuedAt = Infinity
  }

  #take(part: Part, frameBytes: number): void {
    if (this.#sealed) return
    if (this.#blocked) {
      const observed = this.queuedBytes + frameBytes + this.#options.wire.unsentUnsafe()
      if (observed > this.#options.maxBytes && !this.#sealing) {
        const allowed = this.#options.maxBytes
        return this.#options.onOverflow(CloseReason.SlowConsumer({ limit: "bytes", allowed, observed }))
      }
      if (this.#oldestQueuedAt === Infinity) this.#oldestQueuedAt = this.#options.now()
      // A view into a chunk that was read would keep all of the chunk for as long as the peer is slow.
      // Not `slice`, which is a view again if the part is a Buffer.
      if (part instanceof Uint8Array) part = Uint8Array.from(part)
    }
    this.#parts.push(part)
    this.queuedBytes += frameBytes
    if (this.#blocked) return
    if (this.queuedBytes >= flushBytes) this.flushUnsafe()
    else if (!this.#scheduled) {
      this.#scheduled = true
      this.#options.turn.schedule(this)
    }
  }

  /** Small frames side by side in one buffer, large bodies by reference, in order. */
  #chunksOf(parts: ReadonlyArray<Part>): [Uint8Array, ...Array<Uint8Array>] {
    const first = parts[0]
    if (parts.length === 1 && first instanceof SharedFrame) return [first.bytes]
    const { encoder, turn } = this.#options
    const chunks: Array<Uint8Array> = []
    let copied = 0
    for (let i = 0; i < parts.length; i++) copied += this.#copiedBytes(parts[i]!)
    const target = turn.region(copied) as Buffer
    let at = 0
    let from = 0
    for (let i = 0; i < parts.length; i++) {
      const part = parts[i]!
      if (part instanceof SharedFrame) {
        if (part.bytes.length < referenceBytes) {
          target.set(part.bytes, at)
          at += part.bytes.length
          continue
        }
      } else if (typeof part === "string") {
        const bytes = Buffer.byteLength(part)
        at += encoder.writeHeader(target, at, bytes)
        at += target.write(part, at)
        continue
      } else {
        at += encoder.writeHeader(target, at, part.length)
        if (part.length < referenceBytes) {
          target.set(part, at)
          at += part.length
          continue
        }
      }
      if (at > from) chunks.push(target.subarray(from, at))
      from = at
      chunks.push(part instanceof SharedFrame ? part.bytes : part)
    }
    if (at > from) chunks.push(from === 0 ? target : target.subarray(from))
    return chunks as [Uint8Array, ...Array<Uint8Array>]
  }

  #copiedBytes(part: Part): number {
    if (part instanceof SharedFrame) return part.bytes.length < referenceBytes ? part.bytes.length : 0
    if (typeof part === "string") return this.#options.encoder.sizeOf(Buffer.byteLength(part))
    const size = this.#options.encoder.sizeOf(part.length)
    return part.length < referenceBytes ? size : size - part.length
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
    return Effect.ignore(Effect.map(this.#options.wire.drained, () => this.#unblock()))
  }

  /**
   * A little that the system did not take at once, too little to call the peer slow. With TLS that is so after every
   * write, for a moment: a lazy deadline makes it free.
   */
  #watchRest(): void {
    const { fork, now, onOverflow, wire, writeStallMs } = this.#options
    this.#rest ??= new LazyDeadline({
      now,
      fork,
      leastMs: writeStallMs,
      onPassed: () => {
        this.#restWatched = false
        const unsentBytes = wire.unsentUnsafe()
        if (unsentBytes === 0 || this.#blocked) return
        if (this.#givenBytes - unsentBytes > this.#takenBytes) return this.#watchRest()
        onOverflow(CloseReason.WriteStalled({ limitMs: writeStallMs, unsentBytes }))
      },
    })
    if (this.#restWatched) return
    this.#restWatched = true
    this.#takenBytes = this.#givenBytes - wire.unsentUnsafe()
    this.#rest.set(now() + writeStallMs)
  }

  /** While the peer is slow: looks for progress ten times in the stall's time, and at the age of the oldest frame. */
  get #watch(): Effect.Effect<void> {
    const { maxAgeMs, now, onOverflow, wire, writeStallMs } = this.#options
    let unsent = wire.unsentUnsafe()
    let progressAt = this.sentAt
    const look: Effect.Effect<void> = Effect.suspend(() => {
      const at = now()
      const left = wire.unsentUnsafe()
      if (left < unsent) progressAt = at
      unsent = left
      const age = at - this.#oldestUnsentAt
      if (at - progressAt >= writeStallMs) {
        onOverflow(CloseReason.WriteStalled({ limitMs: writeStallMs, unsentBytes: left }))
      } else if (age >= maxAgeMs) {
        onOverflow(CloseReason.SlowConsumer({ limit: "age", allowed: maxAgeMs, observed: Math.round(age) }))
      } else {
        const next = Math.min(this.#oldestUnsentAt + maxAgeMs, progressAt + writeStallMs, at + writeStallMs / 10) - at
        return Effect.flatMap(Effect.sleep(Math.max(1, Math.ceil(next))), () => look)
      }
      return Effect.never
    })
    return look
  }
}
