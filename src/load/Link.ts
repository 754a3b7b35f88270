/**
 * One connection of the load: says `connect`, answers heartbeats, finds the stamps of publications, hands on the rest.
 * Lean on purpose, plain code over a Wire: no schema, no session but the one it is given, no reconnect of its own. Refuses
 * a server that sends what is no frame or no JSON, by ending the connection.
 */
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as FrameDecoder from "../frame/FrameDecoder.ts"
import * as FrameLayout from "../frame/FrameLayout.ts"
import type { TransportError, Wire } from "../transport/Transport.ts"
import type { Stamp, Stamps } from "./Stamp.ts"

/** A message of the server; its fields are checked where they are used. */
export type Message = { readonly type: string; readonly [field: string]: unknown }

/** Makes a wire to the server, which is reset with the scope. */
export type Dialer = Effect.Effect<Wire, TransportError, Scope.Scope>

/** A place in a channel. */
export interface Position {
  readonly offset: number
  readonly epoch: string
}

/** What survives a connection. */
export interface Resume {
  readonly session: { readonly id: string; readonly key: string }
  readonly positions: ReadonlyMap<string, Position>
}

/** Whom a connection works for, and what it begins with. */
export interface Options {
  readonly dial: Dialer
  readonly token?: string | undefined
  readonly channels: ReadonlyArray<string>
  /** A connection before this one that is to be continued. */
  readonly resume?: Resume | undefined
  /** Whether to keep the positions of channels, so that the next connection can continue: each publication is parsed then. */
  readonly keepsPositions?: boolean | undefined
  readonly stamps: Stamps
  readonly timeoutMs: number
  readonly onPublication: (stamp: Stamp) => void
  readonly onHeartbeat: () => void
  /** Every other message but `connected`. */
  readonly onMessage: (message: Message, link: Link) => void
  /** The connection has ended, and its scope was not closed before. */
  readonly onEnded: (ending: Ending) => void
}

/** How a connection ended: with a bye of this code, or without one. */
export interface Ending {
  readonly code?: number
  readonly message: string
  readonly waitMs?: number
}

/** There is no connection, for this reason. */
export class NotOpened extends Data.TaggedError("NotOpened")<{ readonly ending: Ending }> {
  override get message(): string {
    return this.ending.message
  }
}

const layout = FrameLayout.makeUnsafe({ maxFrameBytes: 1024 * 1024 })

/** Bytes that may wait on one connection for a server that does not read: beyond it the load is too much for it. */
export const maxUnsentBytes = 16 * 1024 * 1024

const heartbeat = Buffer.alloc(4)

/** A message as it goes over the wire. */
export const frameOf = (text: string): Buffer => {
  const length = Buffer.byteLength(text)
  const frame = Buffer.allocUnsafe(4 + length)
  frame.writeUInt32BE(length, 0)
  frame.write(text, 4)
  return frame
}

/** Opens a connection; it is reset with the scope. Fails if the server does not answer `connect` with `connected` in time. */
export const open = (options: Options): Effect.Effect<Link, NotOpened, Scope.Scope> =>
  Effect.gen(function* () {
    const wire = yield* options.dial
    yield* wire.opened
    const link = new Link(wire, options)
    yield* Effect.addFinalizer(() => Effect.sync(() => link.leave()))
    wire.onLostUnsafe(({ message }) => link.end({ message }))
    yield* Effect.forkScoped(link.reading, { startImmediately: true })
    link.send(JSON.stringify(connectOf(options)))
    yield* Deferred.await(link.opened)
    return link
  }).pipe(
    Effect.catchTag("TransportError", ({ message }) => Effect.fail(new NotOpened({ ending: { message } }))),
    Effect.timeoutOrElse({
      duration: options.timeoutMs,
      orElse: () => Effect.fail(new NotOpened({ ending: { message: "connect was not answered in time" } })),
    }),
  )

const connectOf = ({ channels, resume, token }: Options) => ({
  type: "connect",
  id: 1,
  version: 1,
  ...(token === undefined ? {} : { token }),
  ...(resume === undefined ? {} : { session: resume.session }),
  ...(channels.length === 0
    ? {}
    : {
        subscriptions: channels.map((channel) => {
          const position = resume?.positions.get(channel)
          return position === undefined ? { channel } : { channel, position }
        }),
      }),
})

/** An open connection. */
export class Link {
  /** Completes with `connected`. */
  readonly opened = Deferred.makeUnsafe<void, NotOpened>()
  /** Messages that the server takes from this connection in a second. */
  commandsPerSecond = Infinity
  /** What the next connection continues. */
  resume: { session: Resume["session"]; readonly positions: Map<string, Position> } | undefined = undefined

  readonly #wire: Wire
  readonly #options: Options
  readonly #decoder = FrameDecoder.make(layout)
  #outgoing: Array<Buffer> = []
  #isOpen = false
  #isOver = false
  #isReading = true

  constructor(wire: Wire, options: Options) {
    this.#wire = wire
    this.#options = options
  }

  /** Sends a message, together with all that are sent in this turn. False if too much waits for the server already. */
  send(text: string): boolean {
    if (this.#wire.unsentUnsafe() > maxUnsentBytes) return false
    this.#push(frameOf(text))
    return true
  }

  /** Stops reading for good. */
  pause(): void {
    this.#isReading = false
  }

  /** From now on nothing is told of this connection. */
  leave(): void {
    this.#isOver = true
  }

  /** Ends the connection as it was ended. Only the first ending counts. */
  end(ending: Ending): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#wire.abortUnsafe()
    if (this.#isOpen) this.#options.onEnded(ending)
    else Deferred.doneUnsafe(this.opened, Effect.fail(new NotOpened({ ending })))
  }

  /** Reads to the end. What arrives while it waits is taken as it comes, and wakes no fiber. */
  get reading(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.#wire.arrived?.sieveWith({
        takesUnsafe: (chunk) => {
          if (this.#isReading) this.#take(chunk)
          return this.#isReading
        },
        queuedUnsafe: () => {},
        finishedUnsafe: () => {},
      })
      return this.#wire.pull.pipe(
        Effect.flatMap((chunks) => {
          for (const chunk of chunks) this.#take(chunk)
          return this.#isReading ? Effect.void : Effect.never
        }),
        Effect.forever({ disableYield: true }),
        Effect.catchTag("TransportError", ({ message }) => Effect.sync(() => this.end({ message }))),
        Effect.catch(() => Effect.sync(() => this.end({ message: "the server hung up without a bye" }))),
      )
    })
  }

  #push(frame: Buffer): void {
    if (this.#outgoing.push(frame) === 1) queueMicrotask(() => this.#flush())
  }

  #flush(): void {
    const frames = this.#outgoing
    this.#outgoing = []
    if (!this.#isOver) this.#wire.writeUnsafe([frames.length === 1 ? frames[0]! : Buffer.concat(frames)])
  }

  #take(chunk: Uint8Array): void {
    for (const body of this.#decoder.push(chunk)) {
      if (this.#isOver) return
      if (body.length === 0) {
        this.#push(heartbeat)
        this.#options.onHeartbeat()
      } else this.#receive(body)
    }
    if (this.#decoder.failure !== undefined) this.end({ message: "the server sent what is no frame" })
  }

  #receive(body: Uint8Array): void {
    const { keepsPositions, stamps } = this.#options
    if (keepsPositions !== true && isPublication(body)) {
      const stamp = stamps.find(body)
      if (stamp !== undefined) return this.#options.onPublication(stamp)
    }
    const message = parsed(body)
    if (message === undefined) return this.end({ message: "the server sent what is not JSON" })
    switch (message.type) {
      case "connected":
        return this.#connected(message)
      case "publication":
        return this.#published(message)
      case "bye":
        return this.end(endingOf(message))
      case "error":
        if (!this.#isOpen) return this.end({ message: String(message["message"]) })
    }
    this.#options.onMessage(message, this)
  }

  #connected(message: Message): void {
    const limits = message["limits"] as { readonly commandsPerSecond?: unknown } | undefined
    if (typeof limits?.commandsPerSecond === "number") this.commandsPerSecond = limits.commandsPerSecond
    const session = message["session"] as Resume["session"] | undefined
    if (session !== undefined) this.resume = { session, positions: new Map(this.#options.resume?.positions) }
    const answers = (message["subscriptions"] ?? {}) as Readonly<Record<string, Message>>
    for (const channel of this.#options.channels) {
      const answer = answers[channel]
      if (answer?.type !== "subscribed") {
        return this.end({ message: `the subscription was answered with ${JSON.stringify(answer)}` })
      }
      // With more to come, the position is where those will lead.
      if (answer["more"] !== true) this.#moved(channel, answer["position"])
      for (const publication of answer["publications"] as ReadonlyArray<Message>) this.#published(publication)
    }
    this.#isOpen = true
    Deferred.doneUnsafe(this.opened, Effect.void)
  }

  #published(message: Message): void {
    this.#moved(message["channel"], message)
    const stamp = this.#options.stamps.find(Buffer.from(JSON.stringify(message["data"]) ?? ""))
    if (stamp !== undefined) this.#options.onPublication(stamp)
  }

  #moved(channel: unknown, position: unknown): void {
    if (this.#options.keepsPositions !== true) return
    const { epoch, offset } = position as Position
    const before = this.resume?.positions.get(channel as string)
    if (before?.epoch === epoch && before.offset > offset) return
    this.resume?.positions.set(channel as string, { epoch, offset })
  }
}

const endingOf = (bye: Message): Ending => ({
  code: Number(bye["code"]),
  message: `bye ${String(bye["code"])}: ${String(bye["message"])}`,
  ...(typeof bye["waitMs"] === "number" ? { waitMs: bye["waitMs"] } : {}),
})

/** `{"type":"publication"`, as far as it is told from `published` and the rest; one that is written otherwise is parsed. */
const isPublication = (body: Uint8Array): boolean => body[9] === 0x70 && body[14] === 0x63 && body[20] === 0x22

const parsed = (body: Uint8Array): Message | undefined => {
  try {
    const value: unknown = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.length).toString())
    return typeof value === "object" && value !== null && "type" in value ? (value as Message) : undefined
  } catch {
    return undefined
  }
}
