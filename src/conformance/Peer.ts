/**
 * Somebody on a wire who is held to the protocol: frames and JSON, by hand, so that it can also be said wrong or in pieces.
 * Answers nothing by itself, and trusts nothing.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as FrameDecoder from "../frame/FrameDecoder.ts"
import * as FrameLayout from "../frame/FrameLayout.ts"
import type { Wire } from "../transport/Transport.ts"

/** What comes next from a peer. */
export type Heard<In> =
  | { readonly _tag: "Message"; readonly message: In; readonly bytes: number }
  | { readonly _tag: "Heartbeat" }
  /** A body or a header that is none. */
  | { readonly _tag: "Unreadable"; readonly detail: string; readonly body?: Uint8Array }
  | { readonly _tag: "Closed"; readonly how: "FIN" | "reset" }
  | { readonly _tag: "Silence" }

/** How a body becomes a message, or what is wrong with it. */
export type Decode<In> = (body: Uint8Array) => Result.Result<In, { readonly message: string }>

const heartbeat = new Uint8Array(4)

/** The body with its length before it. */
export const frame = (body: Uint8Array): Uint8Array => {
  const framed = new Uint8Array(4 + body.length)
  new DataView(framed.buffer).setUint32(0, body.length)
  framed.set(body, 4)
  return framed
}

/** A message in JSON, as a frame. */
export const frameOf = (message: object): Uint8Array => frame(new TextEncoder().encode(JSON.stringify(message)))

/** One peer. */
export class Peer<In> {
  readonly wire: Wire
  readonly #decode: Decode<In>
  readonly #decoder: FrameDecoder.FrameDecoder
  readonly #heard: Array<Heard<In>> = []
  #closed: Heard<In> | undefined

  constructor(wire: Wire, decode: Decode<In>, maxFrameBytes: number) {
    this.wire = wire
    this.#decode = decode
    this.#decoder = FrameDecoder.make(FrameLayout.makeUnsafe({ maxFrameBytes }))
  }

  /** Writes bytes as they are. */
  write(bytes: Uint8Array): void {
    this.wire.writeUnsafe([bytes])
  }

  /** Writes messages in one write. */
  say(...messages: ReadonlyArray<object>): void {
    this.write(Buffer.concat(messages.map(frameOf)))
  }

  /** Writes a heartbeat. */
  beat(): void {
    this.write(heartbeat)
  }

  /** Writes bytes one by one, each in a turn of the event loop, so that they may arrive so. */
  readonly drip = (bytes: Uint8Array): Effect.Effect<void> =>
    Effect.forEach(
      bytes,
      (byte) =>
        Effect.callback<void>((resume) => {
          this.write(Uint8Array.of(byte))
          setImmediate(() => resume(Effect.void))
        }),
      { discard: true },
    )

  /** What comes next, within so many milliseconds. After `Closed` it is `Closed` again. */
  readonly next = (withinMs: number): Effect.Effect<Heard<In>> =>
    Effect.suspend(() => {
      const heard = this.#heard.shift() ?? this.#closed
      if (heard !== undefined) return Effect.succeed(heard)
      const began = performance.now()
      return Effect.flatMap(Effect.timeoutOption(this.#read, withinMs), (read) =>
        read._tag === "None"
          ? Effect.succeed<Heard<In>>({ _tag: "Silence" })
          : this.next(Math.max(1, withinMs - (performance.now() - began))),
      )
    })

  /** What comes next beside heartbeats, of which each is told, within so many milliseconds however many of them come. */
  readonly said = (withinMs: number, onBeat: () => void = () => {}): Effect.Effect<Heard<In>> =>
    Effect.gen({ self: this }, function* () {
      const end = performance.now() + withinMs
      do {
        const heard = yield* this.next(Math.max(1, end - performance.now()))
        if (heard._tag !== "Heartbeat") return heard
        onBeat()
      } while (performance.now() < end)
      return { _tag: "Silence" }
    })

  readonly #read: Effect.Effect<void> = Effect.suspend(() =>
    Effect.matchCause(this.wire.pull, {
      onSuccess: (chunks) => chunks.forEach((chunk) => this.#take(chunk)),
      onFailure: (cause) => {
        if (Cause.hasInterruptsOnly(cause)) return
        const isReset = cause.reasons.some((reason) => "error" in reason && !Cause.isDone(reason.error))
        this.#closed ??= { _tag: "Closed", how: isReset ? "reset" : "FIN" }
      },
    }),
  )

  #take(chunk: Uint8Array): void {
    for (const body of this.#decoder.push(chunk)) this.#heard.push(this.#of(body))
    const { failure } = this.#decoder
    if (failure !== undefined) this.#closed ??= { _tag: "Unreadable", detail: failure.message }
  }

  #of(body: Uint8Array): Heard<In> {
    if (body.length === 0) return { _tag: "Heartbeat" }
    const decoded = this.#decode(body)
    return Result.isSuccess(decoded)
      ? { _tag: "Message", message: decoded.success, bytes: body.length }
      : { _tag: "Unreadable", detail: decoded.failure.message, body }
  }
}

/** What was heard, in a word or two for a person. */
export const shown = (heard: Heard<object>): string => {
  switch (heard._tag) {
    case "Message":
      return JSON.stringify(heard.message).slice(0, 200)
    case "Unreadable":
      return `something unreadable (${heard.detail})`
    case "Closed":
      return heard.how === "FIN" ? "the end of the connection" : "a reset"
    case "Heartbeat":
      return "a heartbeat"
    default:
      return "nothing"
  }
}
