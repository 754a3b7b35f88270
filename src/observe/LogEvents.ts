/**
 * Writes a log line for what happens to a server: one subscriber of its events among others.
 * Reads events only; a server runs the same without it.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as LogLevel from "effect/LogLevel"
import * as PubSub from "effect/PubSub"
import * as CloseReason from "../connection/CloseReason.ts"
import { type ServerEvent, ServerEvents } from "../server/ServerEvents.ts"
import { formatAddress } from "../transport/Transport.ts"
import { type Repeat, Repeats } from "./Repeats.ts"

type Level = "Debug" | "Info" | "Warn" | "Error"
const levels: ReadonlyArray<Level> = ["Debug", "Info", "Warn", "Error"]

/** From one line about newcomers of a kind that are refused to the next, 10 s. */
export const repeatEveryMs = 10_000

/**
 * Logs the events of the `ServerEvents` it is provided with. Lines about single connections are at level Debug, unless the
 * server is at fault. Newcomers that are refused, or speak another protocol, are a warning: the first of a kind, then one
 * line for all of each {@link repeatEveryMs}, because whoever reaches the port can cause thousands a second. Where Debug is
 * written, each has its line.
 */
export const layer: Layer.Layer<never, never, ServerEvents> = Layer.effectDiscard(
  Effect.gen(function* () {
    const { subscribe } = yield* ServerEvents
    const written = new Set(yield* Effect.filter(levels, LogLevel.isEnabled))
    // Most of what happens is written by nobody, most of the time: to wake for it was 8 % of a connect (bench, connect).
    const repeats = new Repeats()
    const isWanted = written.has("Debug") ? () => true : (event: ServerEvent) => repeats.isFirst(event)
    const events = yield* subscribe((event) => written.has(levelOf(event)) && isWanted(event))
    const writeRepeats = Effect.suspend(() => Effect.forEach(repeats.take(), logRepeat, { discard: true }))
    yield* writeNext(events).pipe(Effect.forever, Effect.forkScoped({ startImmediately: true }))
    yield* Effect.forkScoped(Effect.forever(Effect.delay(writeRepeats, repeatEveryMs)))
    // Registered last, so that it runs first: what was published before the end is still written.
    yield* Effect.addFinalizer(() =>
      Effect.andThen(Effect.flatMap(PubSub.takeUpTo(events, Infinity), Effect.forEach(log)), writeRepeats),
    )
  }),
)

/** All that has happened since, in one go. */
const writeNext = (events: PubSub.Subscription<ServerEvent>): Effect.Effect<void> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(restore(PubSub.takeAll(events)), (batch) => Effect.forEach(batch, log, { discard: true })),
  )

/** At which level an event is written. */
const levelOf = (event: ServerEvent): Level => {
  switch (event._tag) {
    case "AcceptFault":
      return event.fault === "peer" ? "Debug" : "Warn"
    case "ConnectionOpened":
      return "Debug"
    case "ConnectionRefused":
    case "BuffersShed":
      return "Warn"
    case "ConnectionClosed":
      return levelOfReason(event.reason)
    default:
      return "Info"
  }
}

const levelOfReason = ({ _tag }: CloseReason.CloseReason): Level => {
  if (_tag === "HandlerFailed" || _tag === "BadOutbound") return "Error"
  return _tag === "WrongProtocol" ? "Warn" : "Debug"
}

/** The line of one event. */
export const log = (event: ServerEvent): Effect.Effect<void> => write(event, lineOf(event))

const logRepeat = ({ event, more }: Repeat): Effect.Effect<void> => {
  const { facts, message } = lineOf(event)
  return write(event, line(more === 0 ? message[0] : `${message[0]} (and ${more} more like it)`, facts))
}

const write = (event: ServerEvent, { facts, message }: Line): Effect.Effect<void> =>
  Effect.annotateLogs(Effect.logWithLevel(levelOf(event))(...message), facts)

interface Line {
  /** The text, and the cause if there is one. */
  readonly message: readonly [text: string, ...cause: ReadonlyArray<unknown>]
  readonly facts: Readonly<Record<string, unknown>>
}

const line = (text: string, facts: Line["facts"] = {}): Line => ({ message: [text], facts })

const lineOf = (event: ServerEvent): Line => {
  switch (event._tag) {
    case "Listening":
      return line(`${event.server} listening on ${formatAddress(event.address)}`, { transport: event.transport })
    case "AcceptFault":
      return line(`${event.error.message} (fault of the ${event.fault}), pausing for ${event.pauseMs} ms`)
    case "ConnectionOpened":
      return line("connection opened", { connection: event.id, peer: formatAddress(event.peer) })
    case "ConnectionRefused":
      return line(`connection ${CloseReason.format(event.reason)}`, {
        peer: formatAddress(event.peer),
        told: event.told,
      })
    case "ConnectionClosed":
      return closed(event)
    case "BuffersShed":
      return line(
        `${event.connections} connections shed that held ${event.shedBytes} bytes: all together held ${event.heldBytes}, allowed are ${event.allowedBytes}`,
      )
    case "DrainStarted":
      return line(`draining ${event.connections} connections: ${event.graceMs} ms of grace, then ${event.timeoutMs} ms`)
    case "DrainEnded":
      return line(`drained${event.forced ? ", forced" : ""}: ${event.aborted} connections reset`)
  }
}

const closed = ({ durationMs, id, peer, reason }: Extract<ServerEvent, { _tag: "ConnectionClosed" }>): Line => {
  const text = `connection closed: ${CloseReason.format(reason)}`
  return {
    message: reason._tag === "HandlerFailed" ? [text, reason.cause] : [text],
    facts: { connection: id, peer: formatAddress(peer), reason: reason._tag, durationMs },
  }
}
